"""A PostgreSQL statement as SQLite can run it, by sqlglot and the rules here."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from streams.execution.sql import expressions, kinds, lexing
from streams.execution.sql.values import SqlError
from streams.registry.sql_schema import Table

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it warns of is refused here

_SERVED: Final = (exp.Select, exp.SetOperation, exp.Insert, exp.Update, exp.Delete)
_ROW: Final = "_rowid_"  # SQLite's number of a row, which has other names too
_HIDDEN: Final = frozenset({_ROW, "rowid", "oid"})
_NOT_SERVED: Final = (
    "a program may SELECT, INSERT, UPDATE and DELETE; tables come from the schema in the manifest,"
    " transactions are the events"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement for SQLite.

    ``kinds``: PostgreSQL's type of a column of the answer, by its name, where it is known.
    ``columns``: whether it answers any.
    ``texts``: parameters that become a text column's value, and so are written as text.
    """

    sql: str
    parameters: frozenset[int]
    kinds: Mapping[str, str]
    texts: frozenset[int]
    columns: bool


def translate(statement: str, tables: Mapping[str, Table]) -> tuple[Plan, ...]:
    """Plans of a text, one a statement.

    Raises:
        SqlError: not SQL, or nothing that is served; says what.
    """
    text, parameters = lexing.named(statement)
    try:
        trees = sqlglot.parse(text, read="postgres")
        found = [_plan(tree, tables, parameters) for tree in trees if tree is not None]
    except SqlglotError as error:
        raise SqlError(f"syntax error or nothing that is served: {_first_line(error)}") from None
    except RecursionError:
        raise SqlError("the statement is nested too deep") from None
    if not found:
        raise SqlError("the statement is empty")
    return tuple(found)


def _plan(tree: exp.Expr, tables: Mapping[str, Table], parameters: frozenset[int]) -> Plan:
    if isinstance(tree, exp.Subquery):
        tree = tree.unnest()
    if not isinstance(tree, _SERVED):
        raise SqlError(f"{tree.key.upper()} is not served: {_NOT_SERVED}")
    work = _Translation(tree, tables)
    tree = work.run()
    answered = tree if isinstance(tree, (exp.Select, exp.SetOperation)) else None
    returning = tree.args.get("returning")
    columns: Iterable[exp.Expr] = ()
    if answered is not None:
        columns = answered.selects
    elif returning is not None:
        columns = returning.expressions
    return Plan(
        sql=tree.sql("sqlite", identify=True, unsupported_level=ErrorLevel.RAISE),
        parameters=parameters,
        kinds={one.alias_or_name: kinds.kind_of(one) for one in columns if kinds.kind_of(one)},
        texts=frozenset(work.texts),
        columns=answered is not None or returning is not None,
    )


class _Translation:
    """One statement on its way. Children are translated before their parents, so that types of
    what a node works on are known; what a query reads from, before what it makes of it."""

    def __init__(self, tree: exp.Expr, tables: Mapping[str, Table]) -> None:
        self._tree = tree
        self._tables = tables
        self._derived: dict[str, dict[str, str]] = {}  # of a subquery or CTE: name -> type
        self._sources: dict[str, Table] = {}  # by the name or alias it has in the statement
        self.texts: set[int] = set()

    def run(self) -> exp.Expr:
        """The translated statement."""
        for name in self._tree.find_all(exp.Identifier):
            if not name.args.get("quoted"):
                name.set("this", name.name.lower())
        for cte in self._tree.find_all(exp.CTE):
            if not isinstance(cte.this, (exp.Select, exp.SetOperation)):
                raise SqlError("WITH may hold queries only, none that write")
            self._derived.setdefault(cte.alias, {})
        for table in list(self._tree.find_all(exp.Table)):
            self._source(table)
        if isinstance(self._tree, exp.Insert):
            self._source_insert(self._tree)
        for values in list(self._tree.find_all(exp.Values)):
            _name_values(values)
        for column in self._tree.find_all(exp.Column):
            if column.name in _HIDDEN and not self._is_stored(column):
                raise SqlError(f'column "{column.name}" does not exist')
        self._name_columns()
        for function in list(self._tree.find_all(exp.Anonymous)):
            _known_function(function)
        if isinstance(self._tree, exp.Delete) and self._tree.args.get("using"):
            self._tree = _without_using(self._tree)
        self._walk(self._tree)
        return self._tree

    # --- what it reads from ---------------------------------------------------------------------

    def _source(self, table: exp.Table) -> None:
        if table.args.get("catalog") or table.db not in ("", "public"):
            raise SqlError(f'schema "{table.db}" is not served: programs have public alone')
        table.set("db", None)
        if not isinstance(table.this, exp.Identifier):
            raise SqlError(f"{table.this.sql('postgres')[:80]} is not served in FROM")
        if table.name in self._derived:
            if table.alias:
                self._derived[table.alias] = self._derived[table.name]
            return
        known = self._tables.get(table.name)
        if known is None:
            raise SqlError(f'relation "{table.name}" does not exist')
        self._sources[table.alias_or_name] = known

    def _source_insert(self, insert: exp.Insert) -> None:
        table = insert.find(exp.Table)
        if table is not None and table.name in self._tables:
            self._sources["excluded"] = self._tables[table.name]

    def _name_columns(self) -> None:
        for select in self._tree.find_all(exp.Select, exp.Returning):
            for column in list(select.expressions):
                if isinstance(column, exp.Alias) or column.is_star:
                    continue
                name = exp.to_identifier(kinds.column_name(column), quoted=True)
                alias = exp.Alias(alias=name)
                column.replace(alias)
                alias.set("this", column)

    # --- translation ----------------------------------------------------------------------------

    def _walk(self, node: exp.Expr) -> None:
        if isinstance(node, exp.Select) and node.args.get("locks"):
            node.set("locks", None)  # one event at a time: there is nobody to lock out
        if isinstance(node, exp.OnConflict):
            keys = [one.this.copy() if isinstance(one, exp.Ordered) else one
                    for one in node.args.get("conflict_keys") or ()]  # fmt: skip
            node.set("conflict_keys", keys)
        for part in ("with_", "from_", "joins"):
            for child in _children(node, part):
                self._walk(child)
        for name in list(node.args):
            if name not in ("with_", "from_", "joins"):
                for child in _children(node, name):
                    self._walk(child)
        new = self._one(node)
        if new is not node:
            if node.parent is None:
                raise SqlError("this statement is not served")
            node.replace(new)

    def _one(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            if node.args.get("db") is not None:
                node.set("db", None)
            node.meta["kind"] = self._kind_of_column(node)
            node.meta["stored"] = node.meta["kind"] == "numeric" and self._is_stored(node)
            return node
        if isinstance(node, (exp.Subquery, exp.CTE)):
            return self._derive(node)
        if isinstance(node, exp.Insert):
            self._assign_insert(node)
        elif isinstance(node, exp.Update):
            self._assign_pairs(node, self._table_of(node.this))
        elif isinstance(node, exp.OnConflict) and node.expressions:
            self._assign_pairs(node, self._sources["excluded"])
        elif not isinstance(node, (exp.Select, exp.SetOperation, exp.Delete)):
            node.meta["kind"] = kinds.infer(node)
            return expressions.translated(node)
        return node

    def _derive(self, node: exp.Expr) -> exp.Expr:
        query = node.this
        if isinstance(query, (exp.Select, exp.SetOperation)):
            columns = {one.alias_or_name: kinds.kind_of(one) for one in query.selects}
            if len(query.selects) == 1:
                node.meta["kind"] = kinds.kind_of(query.selects[0])
            if node.alias:
                self._derived.setdefault(node.alias, {}).update(columns)
        return node

    def _kind_of_column(self, column: exp.Column) -> str:
        name, source = column.name, column.table
        if source and source not in self._sources and source not in self._derived:
            raise SqlError(f'missing FROM-clause entry for table "{source}"')
        for alias, table in self._sources.items():
            found = table.column(name)
            if found is not None and source in ("", alias):
                return found.constrains.kind
        for alias, columns in self._derived.items():
            if name in columns and source in ("", alias):
                return columns[name]
        if not source:  # an alias of the statement's own, as in ORDER BY
            for one in self._tree.find_all(exp.Alias):
                if one.alias == name:
                    return kinds.kind_of(one)
        return ""

    def _is_stored(self, column: exp.Column) -> bool:
        return any(
            table.column(column.name) is not None and column.table in ("", alias)
            for alias, table in self._sources.items()
        )

    # --- values for columns ---------------------------------------------------------------------

    def _table_of(self, node: exp.Expr) -> Table:
        table = node if isinstance(node, exp.Table) else node.find(exp.Table)
        if table is None or table.name not in self._tables:
            raise SqlError("this is no table of the schema")
        return self._tables[table.name]

    def _assign_insert(self, insert: exp.Insert) -> None:
        table = self._table_of(insert.this)
        source = insert.args.get("expression")
        if isinstance(insert.this, exp.Schema):
            names = [one.name for one in insert.this.expressions]
        else:
            names = [column.name for column in table.cols]
        if isinstance(source, exp.Values):
            widths = {len(row.expressions) for row in source.expressions}
            if len(widths) != 1 or max(widths) > len(names):
                raise SqlError("INSERT has other numbers of expressions than of target columns")
            names = names[: widths.pop()]
            for row in source.expressions:
                for name, value in zip(names, list(row.expressions), strict=True):
                    value.replace(self._assigned(table, name, value.copy()))
        elif isinstance(source, exp.Select) and not source.is_star:
            names = names[: len(source.expressions)]
            for name, column in zip(names, list(source.expressions), strict=False):
                kind, inner = kinds.kind_of(column), column.unalias().copy()
                inner.meta["kind"] = kind
                column.replace(self._assigned(table, name, inner))
            if insert.args.get("conflict") and not source.args.get("where"):
                source.where("TRUE", copy=False)  # SQLite would take ON for a join's
        if source is not None and not isinstance(insert.this, exp.Schema):
            listed = [exp.to_identifier(name, quoted=True) for name in names]
            insert.set("this", exp.Schema(this=insert.this, expressions=listed))

    def _assign_pairs(self, node: exp.Expr, table: Table) -> None:
        node.set("expressions", [one for pair in node.expressions for one in _single(pair)])
        for pair in node.expressions:
            if not isinstance(pair, exp.EQ) or not isinstance(pair.this, exp.Column):
                raise SqlError("SET takes column = value, one by one")
            target = pair.this
            value = self._assigned(table, target.name, pair.expression.copy())
            pair.set("expression", value)
            pair.set("this", exp.column(exp.to_identifier(target.name, quoted=True)))

    def _assigned(self, table: Table, name: str, value: exp.Expr) -> exp.Expr:
        column = table.column(name)
        if column is None:
            raise SqlError(f'column "{name}" of relation "{table.name}" does not exist')
        rule = column.constrains
        if expressions.is_default(value):
            return expressions.default_of(table, column)
        if isinstance(value, exp.Placeholder) and rule.kind == "text":
            self.texts.add(int(value.name[1:]))
        return expressions.cast(value, rule.kind, *rule.size, assign=True)


def _known_function(function: exp.Anonymous) -> None:
    """What was called by another name until its column had one."""
    arguments = function.expressions
    if function.this == "w3b_strpos" and len(arguments) == 2:
        function.replace(exp.StrPosition(this=arguments[0].copy(), substr=arguments[1].copy()))
    elif function.this == "w3b_char_length" and len(arguments) == 1:
        function.replace(exp.Length(this=arguments[0].copy()))


def _single(pair: exp.Expr) -> list[exp.Expr]:
    """``(a, b) = (x, y)`` as assignments of one column each."""
    columns, values = pair.this, pair.args.get("expression")
    if not isinstance(columns, exp.Tuple) or not isinstance(values, exp.Tuple):
        return [pair]
    if len(columns.expressions) != len(values.expressions):
        raise SqlError("number of columns does not match number of values")
    both = zip(columns.expressions, values.expressions, strict=True)
    return [exp.EQ(this=column.copy(), expression=value.copy()) for column, value in both]


def _name_values(values: exp.Values) -> None:
    """``(VALUES …) AS v (a, b)`` as a query with these columns: SQLite calls them column1 …"""
    alias = values.args.get("alias")
    if alias is None or not alias.args.get("columns"):
        return
    query = exp.Select(
        expressions=[
            exp.alias_(exp.column(f"column{number}"), name.name, quoted=True)
            for number, name in enumerate(alias.columns, 1)
        ]
    )
    bare = exp.Values(expressions=[row.copy() for row in values.expressions])
    query.set("from_", exp.From(this=exp.Subquery(this=bare)))
    named = exp.Subquery(this=query, alias=exp.TableAlias(this=alias.this.copy()))
    values.replace(named)


def _without_using(delete: exp.Delete) -> exp.Delete:
    """DELETE … USING as a DELETE of the rows that a query finds."""
    table = delete.this
    query = exp.Select(expressions=[exp.column(_ROW, table=table.alias_or_name)])
    query.set("from_", exp.From(this=table.copy()))
    query.set("joins", [exp.Join(this=one.copy()) for one in delete.args["using"]])
    if delete.args.get("where") is not None:
        query.set("where", delete.args["where"].copy())
    found = exp.In(this=exp.column(_ROW), query=exp.Subquery(this=query))
    plain = exp.Delete(this=exp.Table(this=table.this.copy()), where=exp.Where(this=found))
    if delete.args.get("returning") is not None:
        plain.set("returning", delete.args["returning"].copy())
    return plain


def _children(node: exp.Expr, name: str) -> list[exp.Expr]:
    value = node.args.get(name)
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, exp.Expr)]


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].replace("\x1b[4m", "").replace("\x1b[0m", "")[:300]
