"""The changes that make a mutant, each of one node of a module's tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Changes = Iterator[tuple[str, ast.AST]]

TURNED: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
WORDS = {"expected", "actual"}
"""Arguments of a finding that are words for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one module."""

    path: str
    function: str
    """The function that is changed, or the constant."""
    name: str | None
    """The constant, if the change is not in a function."""
    line: int
    last_line: int
    change: str
    whole: ast.Module
    old: ast.AST
    new: ast.AST

    def tree(self) -> ast.Module:
        """Make the change in the tree, which all mutants of the module share."""
        _Swap(self.old, self.new).visit(self.whole)
        return ast.fix_missing_locations(self.whole)


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else super().generic_visit(node)


def mutants_of(root: Path, path: str) -> Iterator[Mutant]:
    """Give every mutant of a module."""
    whole = ast.parse((root / path).read_text("utf-8"))
    for function, name, part in _parts(whole):
        for node in _nodes(part):
            # A comprehension's own node has no place.
            place = node.target if isinstance(node, ast.comprehension) else node
            for change, new in _changes(node):
                yield Mutant(
                    path=path,
                    function=function,
                    name=name,
                    line=getattr(place, "lineno", part.lineno),
                    last_line=getattr(place, "end_lineno", part.lineno),
                    change=change,
                    whole=whole,
                    old=node,
                    new=ast.copy_location(new, node),
                )


def _parts(whole: ast.AST) -> Iterator[tuple[str, str | None, ast.stmt | ast.expr]]:
    """Give functions, lambdas of decorators, and values of constants."""
    for node in ast.iter_child_nodes(whole):
        if isinstance(node, ast.FunctionDef):
            yield node.name, None, node
            for decorator in node.decorator_list:
                for inner in ast.walk(decorator):
                    if isinstance(inner, ast.Lambda):
                        yield f"{node.name} (when)", None, inner.body
        elif isinstance(node, ast.ClassDef):
            yield from _parts(node)
        elif isinstance(node, ast.Assign) and isinstance(whole, ast.Module):
            target = node.targets[0]
            if isinstance(target, ast.Name) and not isinstance(node.value, ast.Subscript):
                yield target.id, target.id, node.value


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the code that runs, except the words of findings."""
    if isinstance(node, ast.FunctionDef):
        children: list[ast.AST] = list(node.body[1:] if ast.get_docstring(node) else node.body)
        if isinstance(children[-1], ast.Return) and _is_none(children[-1].value):
            del children[-1]  # a function that ends gives None
    elif isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert) or (
        isinstance(node, ast.keyword) and node.arg in WORDS
    ):
        return
    else:
        yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.AnnAssign):
            children.remove(node.annotation)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
    for child in children:
        yield from _nodes(child)


def _changes(node: ast.AST) -> Changes:
    match node:
        case ast.Compare(ops=[op], left=left, comparators=right):
            for turned in TURNED[type(op)]:
                new: ast.AST = ast.Compare(left=left, ops=[turned()], comparators=right)
                yield f"{ast.unparse(node)} becomes {ast.unparse(new)}", new
        case ast.Compare(left=left, ops=ops, comparators=right):
            for place, op in enumerate(ops):
                for turned in TURNED[type(op)]:
                    changed = [*ops[:place], turned(), *ops[place + 1 :]]
                    new = ast.Compare(left=left, ops=changed, comparators=right)
                    yield f"{ast.unparse(node)} becomes {ast.unparse(new)}", new
        case ast.BoolOp(op=op, values=values):
            new = ast.BoolOp(op=ast.Or() if isinstance(op, ast.And) else ast.And(), values=values)
            yield f"{ast.unparse(node)}: and, or swapped", new
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"{ast.unparse(node)} loses its not", operand
        case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=left, right=other):
            sign = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield f"{ast.unparse(node)}: + and - swapped", ast.BinOp(left, sign, other)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield from _branches(node, test)
        case ast.comprehension(ifs=ifs) if ifs:
            new = copy.copy(node)
            new.ifs = []
            yield f"if {ast.unparse(ifs[0])} dropped", new
        case ast.Constant(value=bool(value)):
            yield f"{value} becomes {not value}", ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield f"{value} becomes {value + 1}", ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield f"{value!r} becomes {value + 'x'!r}", ast.Constant(value + "x")
        case ast.Return(value=ast.Constant(value=False)):
            return  # True is a change of its own, and callers read None as False
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield f"return {ast.unparse(value)} becomes return None", ast.Return(ast.Constant(None))
        case ast.Expr() | ast.AugAssign() | ast.Continue() | ast.Break() | ast.Return():
            yield f"{ast.unparse(node).splitlines()[0][:60]} deleted", ast.Pass()
        case _:
            return


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _branches(node: ast.If | ast.IfExp, test: ast.expr) -> Changes:
    condition = ast.unparse(test)
    if not isinstance(test, ast.Compare | ast.UnaryOp):  # those have changes of their own
        new = copy.copy(node)
        new.test = ast.UnaryOp(op=ast.Not(), operand=test)
        yield f"if {condition} negated", new
    new = copy.copy(node)
    new.test = ast.Constant(False)
    yield f"if {condition}: branch dropped", new
