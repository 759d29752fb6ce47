"""What statements answer: PostgreSQL's answers, in the original's JSON."""
# ruff: noqa: E501 (a statement and its answer are easiest to read side by side)

import orjson
import pytest

from streams.execution.outside import BREACHED
from streams.execution.sql import rows
from streams.execution.sql.store import Store
from tests.execution.sql.tables import SCHEMA, SEED, TIME_MS, column, request, section

ROWS = (
    "INSERT INTO cars (name, income, active, f4, n, note) VALUES"
    " ('a', 0, true, 1.1, NULL, 'x'), ('b', 12.5, false, 2.5, 42, NULL), ('C', 2.005, true, 0.1, 7, '')"
)


@pytest.fixture
def store():
    made = Store(SCHEMA)
    assert ask(made, ROWS) == (0, "")
    return made


def ask(store, statement, *parameters):
    code, said = store.query(TIME_MS, SEED, request(statement, *parameters))
    return code, said.decode()


# Each with the answer that PostgreSQL and the original's writer of JSON give. Those that do not depend
# on the clock were held against a PostgreSQL 17 (PGlite), of which 13's extract is a double.
ANSWERS = [
    ("SELECT count(*) FROM cars", '{"count":3}'),
    ("SELECT * FROM cars WHERE name = 'nobody'", ""),
    (
        "SELECT * FROM public.cars WHERE id = 2",
        '{"active":false,"amount":0,"at":null,"big":null,"f4":2.5,"id":2,"income":"12.50","n":42,'
        '"name":"b","note":null}',
    ),
    ('SELECT ID, "name" FROM "cars" ORDER BY n DESC LIMIT 2', '[{"id":1,"name":"a"},{"id":2,"name":"b"}]'),
    ("SELECT name FROM cars ORDER BY id OFFSET 1 LIMIT 1", '{"name":"b"}'),
    ("SELECT sum(n) AS s, avg(n) AS a, max(n), min(n) FROM cars",
     '{"a":"24.5000000000000000","max":42,"min":7,"s":49}'),
    ("SELECT sum(income), avg(income) FROM cars", '{"avg":"4.8366666666666667","sum":"14.51"}'),
    ("SELECT sum(id) AS ids, sum(f4) AS f FROM cars WHERE id = 2", '{"f":2.5,"ids":"2"}'),
    ("SELECT f4 FROM cars WHERE id = 1", '{"f4":1.1}'),
    ("SELECT income FROM cars WHERE income > 2 ORDER BY income", '[{"income":"2.01"},{"income":"12.50"}]'),
    ("SELECT id FROM cars WHERE income = 12.5", '{"id":2}'),
    ("SELECT income * 2 AS i, income + 1 AS j FROM cars WHERE income * 2 > 20", '{"i":"25.00","j":"13.50"}'),
    ("SELECT 7/2 AS a, -7/2 AS b, 7.0/2 AS c, 7 % 4 AS d", '{"a":3,"b":-3,"c":"3.5000000000000000","d":3}'),
    ("SELECT n::text AS t, '5'::int + 1 AS i, 2.5::int AS h, 'yes'::bool AS b, 1::bool::text AS tt"
     " FROM cars WHERE id = 2",
     '{"b":true,"h":3,"i":6,"t":"42","tt":"true"}'),
    ("SELECT name FROM cars WHERE name LIKE 'c'", ""),
    ("SELECT name FROM cars WHERE name ILIKE 'c%'", '{"name":"C"}'),
    ("SELECT active, NOT active AS na, n > 10 AS big FROM cars WHERE id = 2",
     '{"active":false,"big":true,"na":true}'),
    ("SELECT id FROM cars WHERE active AND n IS NULL", '{"id":1}'),
    ("SELECT coalesce(n, 0), upper(name), length(name), name || '!' FROM cars WHERE id = 1",
     '{"?column?":"a!","coalesce":0,"length":1,"upper":"A"}'),
    ("SELECT CASE WHEN n > 10 THEN 'much' ELSE 'little' END FROM cars WHERE id = 2", '{"case":"much"}'),
    ("SELECT active, count(*) FROM cars GROUP BY active HAVING count(*) > 1",
     '{"active":true,"count":2}'),
    ("SELECT DISTINCT ON (active) active, id FROM cars ORDER BY active, id DESC",
     '[{"active":false,"id":2},{"active":true,"id":3}]'),
    ("WITH x AS (SELECT n FROM cars WHERE n IS NOT NULL) SELECT n, row_number() OVER (ORDER BY n) FROM x",
     '[{"n":7,"row_number":1},{"n":42,"row_number":2}]'),
    ("SELECT c.name FROM cars c JOIN (SELECT max(id) AS id FROM cars) m USING (id)", '{"name":"C"}'),
    ("SELECT now(), current_date", '{"current_date":"2023-11-14T00:00:00Z","now":"2023-11-14T22:13:20.123Z"}'),
    ("SELECT extract(epoch FROM now())::bigint AS s, date_trunc('hour', now()) AS h",
     '{"h":"2023-11-14T22:00:00Z","s":1700000000}'),
    ("SELECT now() - interval '1 day 2 hours' AS t, to_timestamp(60) AS e, to_char(now(), 'YYYY-MM-DD') AS d",
     '{"d":"2023-11-14","e":"1970-01-01T00:01:00Z","t":"2023-11-13T20:13:20.123Z"}'),
    ("SELECT '2024-01-31'::date + interval '1 month' AS t, date '2024-03-01' - date '2024-02-01' AS d",
     '{"d":29,"t":"2024-02-29T00:00:00Z"}'),
    ("SELECT random() < 1 AS r, length(gen_random_uuid()::text) AS u", '{"r":true,"u":36}'),
    ("SELECT '<a>&' AS x, 1e25::float8 AS f, 1e-7::float8 AS g, 1.50 AS n",
     '{"f":1e+25,"g":1e-7,"n":"1.50","x":"\\u003ca\\u003e\\u0026"}'),
    ("SELECT split_part('a,b', ',', 2), left('abc', 2), right('abc', 2), substring('abcd' FROM 2 FOR 2)",
     '{"left":"ab","right":"bc","split_part":"b","substring":"bc"}'),
    ("SELECT round(2.567, 2), round(2.5::float8) AS f, floor(2.5), abs(-3)",
     '{"abs":3,"f":2,"floor":"2","round":"2.57"}'),
    ("SELECT abs(-1.5), ceil(1.2), trunc(1.7), mod(7, 3) AS mod", '{"abs":"1.5","ceil":"2","mod":1,"trunc":"1"}'),
    (r"SELECT E'a\nb\'c\x41' AS e, 'a\n' AS p", r"""{"e":"a\nb'cA","p":"a\\n"}"""),
    ("SELECT id FROM cars WHERE name = ANY(ARRAY['a','C']) ORDER BY id", '[{"id":1},{"id":3}]'),
    ("SELECT v.b FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b) WHERE v.a = 2", '{"b":"y"}'),
    ("SELECT to_char(to_timestamp(1715163072), 'Mon DD, YYYY HH12:MI AM \"at\" Day') AS d",
     '{"d":"May 08, 2024 10:11 AM at Wednesday"}'),
    ("SELECT (interval '90 minutes')::text AS a, (interval '1 day' * 1.5)::text AS b",
     '{"a":"01:30:00","b":"1 day 12:00:00"}'),
    ("SELECT sum(f4) AS s, 1e15::float8::text AS t, 1e-5::float8::text AS u FROM cars WHERE id <> 3",
     '{"s":3.6,"t":"1e+15","u":"1e-05"}'),
    ("SELECT income * 2 IN (25, 1) AS i, income * 2 BETWEEN 1 AND 30 AS b FROM cars WHERE id = 2",
     '{"b":true,"i":true}'),
    ("SELECT income/3 AS a, 1.0/3 AS b, 0.001/7 AS c, income % 2 AS d FROM cars WHERE id = 2",
     '{"a":"4.1666666666666667","b":"0.33333333333333333333","c":"0.00014285714285714286","d":"0.50"}'),
    ("SELECT strpos('abc', 'c'), char_length('ä')", '{"char_length":1,"strpos":3}'),
    ("SELECT now() AT TIME ZONE 'UTC' AS u", '{"u":"2023-11-14T22:13:20.123Z"}'),
    (r"SELECT name LIKE 'a\_%' AS l, name LIKE 'a!%' ESCAPE '!' AS e FROM cars WHERE id = 1", '{"e":false,"l":false}'),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "answer"), ANSWERS, ids=[one for one, _ in ANSWERS])
def test_answers(store, statement, answer):
    assert ask(store, statement) == (0, answer)


FAILURES = [
    ("BEGIN", "TRANSACTION is not served"),
    ("COMMIT", "COMMIT is not served"),
    ("PRAGMA user_version", "PRAGMA is not served"),
    ("CREATE TABLE z (a int)", "CREATE is not served"),
    ("DROP TABLE cars", "DROP is not served"),
    ("TRUNCATE cars", "not served"),
    ("ATTACH 'x' AS y", "syntax error"),
    ("SELEC 1", "syntax error"),
    ("", "the statement is empty"),
    ("SELECT * FROM sqlite_master", 'relation "sqlite_master" does not exist'),
    ("SELECT * FROM pg_catalog.pg_class", 'schema "pg_catalog" is not served'),
    ("SELECT nope FROM cars", "nope"),
    ('SELECT "nope" FROM cars', "nope"),
    ("SELECT load_extension('x')", "function load_extension does not exist"),
    ("SELECT repeat('x', 300000)", "too big"),
    ("SELECT randomblob(5)", "randomblob"),
    ("SELECT datetime('now')", "datetime"),
    ("SELECT 1 / 0", "division by zero"),
    ("SELECT name FROM cars WHERE name ~ 'a+'", "regular expressions"),
    ("INSERT INTO cars (name) VALUES ('a')", "duplicate key value"),
    ("INSERT INTO cars (name) VALUES (NULL)", "null value"),
    ("INSERT INTO cars (name) VALUES ('elevenchars')", "too long for type character varying(10)"),
    ("INSERT INTO cars (name, n) VALUES ('q', 'x')", 'invalid input syntax for type integer: "x"'),
    ("INSERT INTO cars (name, n) VALUES ('q', 2147483648)", "integer out of range"),
    ("INSERT INTO cars (name, income) VALUES ('q', 1e10)", "numeric field overflow"),
    ("INSERT INTO cars (nope) VALUES (1)", 'column "nope" of relation "cars" does not exist'),
    ("UPDATE cars SET rowid = 5", 'column "rowid"'),
    ("SELECT rowid FROM cars", 'column "rowid" does not exist'),
    ("DELETE FROM cars WHERE _rowid_ = 1", 'column "_rowid_" does not exist'),
    # What would take all memory, or minutes, if it were done.
    ("SELECT '1e999999999'::int", "invalid input syntax for type integer"),
    ("SELECT '1e999999999'::numeric", "overflows numeric format"),
    ("SELECT '0e-999999999'::numeric", "overflows numeric format"),
    ("SELECT lpad('x', 900000, repeat('y', 200000))", "too big"),
    ("SELECT repeat('1', 200000)::interval", "invalid input syntax for type interval"),
    ("SELECT $1", "got 0 parameters but the statement requires 1"),
]


@pytest.mark.parametrize(("statement", "said"), FAILURES, ids=[one for one, _ in FAILURES])
def test_failures_have_a_text_and_leave_the_tables_as_they_were(store, statement, said):
    before = ask(store, "SELECT * FROM cars ORDER BY id")
    code, error = ask(store, statement)
    assert code == -1
    assert said.lower() in error.lower()
    assert ask(store, "SELECT * FROM cars ORDER BY id") == before


def test_writes_answer_what_they_return_and_are_read_at_once(store):
    insert = "INSERT INTO cars (name, n) VALUES (?, ?), (?, DEFAULT) RETURNING id, name, n"
    values = ({"string": "d"}, {"int32": 5}, {"string": "e"})
    assert ask(store, insert, *values) == (
        0, '[{"id":4,"n":5,"name":"d"},{"id":5,"n":null,"name":"e"}]',
    )  # fmt: skip
    upsert = (
        "INSERT INTO cars AS c (name, n) VALUES ($1, $2) ON CONFLICT (name)"
        " DO UPDATE SET n = excluded.n + 1, income = c.income + 1.25 RETURNING *"
    )
    code, answer = ask(store, upsert, {"string": "d"}, {"int64": 9})
    assert (code, '"n":10' in answer, '"income":"1.25"' in answer) == (0, True, True)
    assert ask(store, "INSERT INTO cars (name) VALUES ('d') ON CONFLICT DO NOTHING") == (0, "")
    update = "UPDATE cars SET n = n + 1, at = extract(epoch FROM now()), active = DEFAULT"
    assert ask(store, f"{update} WHERE name = ? RETURNING n, at, active", {"string": "b"}) == (
        0, '{"active":true,"at":1700000000,"n":43}',
    )  # fmt: skip
    assert ask(store, "INSERT INTO log SELECT id, name FROM cars") == (0, "")
    assert ask(store, "UPDATE log SET v = cars.n FROM cars WHERE cars.id = log.id AND n > 40") == (
        0,
        "",
    )
    assert ask(store, "SELECT v FROM log WHERE id = 2") == (0, '{"v":"43"}')
    pair = "UPDATE cars SET (n, note) = (?, 'x') WHERE id = 1 RETURNING n, note"
    assert ask(store, pair, {"int32": 3}) == (0, '{"n":3,"note":"x"}')
    gone = "DELETE FROM log USING cars WHERE log.v = cars.name RETURNING id"
    assert ask(store, gone)[0] == 0
    assert ask(store, "SELECT id FROM log") == (0, '{"id":2}')
    both = "INSERT INTO log VALUES (8, 'x'); INSERT INTO log VALUES (9, 'y')"
    assert ask(store, both) == (0, "")
    assert ask(store, "SELECT count(*) FROM log") == (0, '{"count":3}')


PARAMETERS = [
    ({"int32": 2**31 + 5}, "note", "-2147483643"),  # cut to its size, as in Go
    ({"int64": "12"}, "note", "12"),
    ({"float32": 1.5}, "note", "1.5"),
    ({"float64": 100}, "note", "100"),
    ({"bool": True}, "note", "true"),
    ({"string": "it's ?"}, "note", "it's ?"),
    ({"bytes": "YWI="}, "note", "ab"),
    ({"bytes": "YWI"}, "note", "ab"),
    ({"time": "2024-01-02T03:04:05+01:00"}, "note", "2024-01-02 02:04:05+00"),
    ({"string": "42"}, "n", 42),
    ({"string": "false"}, "active", False),
    ({"bool": False}, "active", False),
    ({"float64": 0.5}, "amount", 0.5),
    ({"float64": 0.125}, "income", "0.13"),
    ({"int32": 7, "string": "x"}, "n", 7),  # the first that the original looks for
]


@pytest.mark.parametrize(("parameter", "name", "stored"), PARAMETERS)
def test_parameters(store, parameter, name, stored):
    statement = f"UPDATE cars SET {name} = ? WHERE id = 1 RETURNING {name}"
    code, answer = ask(store, statement, parameter)
    assert (code, orjson.loads(answer)) == (0, {name: stored})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "query is invalid"),
        (b"no JSON", "query is invalid"),
        (b'{"statement":"SELECT 1"}', "query is invalid"),
        (b'{"params":[]}', "query is invalid"),
        (b'{"statement":"SELECT ?","params":[{"int":1}]}', "fail to decode the param"),
        (b'{"statement":"SELECT ?","params":[{"bytes":"?"}]}', "no base64"),
        (b'{"statement":"SELECT ?","params":[{"time":"yesterday"}]}', "RFC 3339"),
        (b'{"statement":"SELECT 1","params":[{"int32":1}]}', "got 1 parameters"),
        (b'{"statement":"SELECT \'what?\'","params":[{"int32":1}]}', "requires 0"),
    ],
)
def test_requests_that_are_none(store, body, said):
    code, error = store.query(TIME_MS, SEED, body)
    assert code == -1
    assert said in error.decode()


def test_chance_follows_from_the_message(store):
    roll = "SELECT random() AS a, random() AS b, gen_random_uuid() AS c"
    first, again = ask(store, roll), ask(store, roll)
    assert first == again
    values = orjson.loads(first[1])
    assert values["a"] != values["b"]
    other = store.query(TIME_MS, b"87654321", request(roll))[1]
    assert orjson.loads(other)["c"] != values["c"]


def test_an_answer_that_is_too_large_fails_alone(store):
    for _ in range(14):
        assert ask(store, "INSERT INTO log SELECT 1, v FROM log")[0] == 0
        ask(store, "INSERT INTO log VALUES (1, 'x')")
    code, said = ask(store, "SELECT * FROM log")
    assert (code, "10,000 rows" in said) == (-1, True)
    assert ask(store, "SELECT 1 AS one") == (0, '{"one":1}')


@pytest.mark.parametrize(
    "statement",
    [
        "WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM x) SELECT count(*) FROM x",
        "WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM x) INSERT INTO log SELECT i, 'x' FROM x",
    ],
)
def test_a_statement_without_end_ends_its_event(store, statement):
    store.event_done(TIME_MS, SEED, b"")
    code, said = ask(store, statement)
    assert (code, "10,000,000 steps" in said) == (BREACHED, True)
    store.event_undone(TIME_MS, SEED, b"")
    assert ask(store, "SELECT count(*) FROM log") == (0, '{"count":0}')
    assert ask(store, "SELECT count(*) FROM cars") == (0, '{"count":3}')


def test_columns_may_have_the_names_that_sqlite_gives_its_own():
    store = Store(section({"name": "t", "cols": [column("rowid", "INT"), column("oid", "TEXT")]}))
    assert ask(store, "INSERT INTO t VALUES (5, 'x') RETURNING rowid") == (0, '{"rowid":5}')
    assert store.event_done(TIME_MS, SEED, b"")[1].endswith(b'{"rowid":5,"oid":"x"}')
    store.fill([(rows.row_key("t", 9), b'{"rowid":6,"oid":"y"}')])
    assert ask(store, "SELECT * FROM t") == (0, '{"oid":"y","rowid":6}')
    assert ask(store, "DELETE FROM t USING t AS u WHERE t.oid = u.oid RETURNING t.rowid")[0] == 0
    assert ask(store, "SELECT count(*) FROM t") == (0, '{"count":0}')


def test_a_query_without_an_answer_may_have_any_number_of_rows(store):
    numbers = "WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM x WHERE i < 20000)"
    body = request(f"{numbers} SELECT i FROM x")
    assert store.execute(TIME_MS, SEED, body) == (0, b"")
    assert store.query(TIME_MS, SEED, body)[0] == -1
