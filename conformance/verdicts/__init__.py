"""What the rules' findings come to: verdicts, known issues, whose fault it is."""
