"""What follows from the rules' findings: verdicts, known issues, whose fault it is."""
