//! The language section by section: what expressions come to, in a table of our own.
//!
//! Sections are those of the public conformance cases; each line is an expression and its value as
//! an error would show it, or the error.

mod expect;

use expect::{errors, values};

#[test]
fn literals_and_names() {
    values(&[
        ("0", "0"),
        ("42u", "42"),
        ("0x55555555u", "1431655765"),
        ("-0x7f", "-127"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.5e2", "150"),
        ("-.5", "-0.5"),
        ("''", ""),
        ("b''", ""),
        ("null", "null"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("[0, 1,]", "[0, 1]"),
        ("{'k': 'v',}", "{k: v}"),
        ("self.name", "box"),
        (".self.name", "box"),
        ("[1].all(self, .self.name == 'box')", "true"),
    ]);
    errors(&[
        (
            "self_unknown",
            "undeclared reference to 'self_unknown' (in container '')",
        ),
        ("9223372036854775808", "invalid int literal"),
        ("18446744073709551616u", "invalid uint literal"),
        ("1e400", "invalid double literal"),
        ("while", "reserved identifier: while"),
        (
            "f_unknown(1)",
            "undeclared reference to 'f_unknown' (in container '')",
        ),
    ]);
}

#[test]
fn strings_and_bytes_with_all_their_escapes() {
    values(&[
        (r#""a\tb""#, "a\tb"),
        (
            r"'\a\b\f\n\r\t\v\\\'\?\`' == '\x07\x08\x0c\x0a\x0d\x09\x0b\x5c\x27\x3f\x60'",
            "true",
        ),
        (r"'\303\277'", "\u{c3}\u{bf}"),
        (r"b'\303\277' == b'ÿ'", "true"),
        (r"b'\xff'.size()", "1"),
        (r"'\u00e9\U0001F431'", "é🐱"),
        (r"r'\n' + R'\x'", r"\n\x"),
        ("'''a'b\nc'''", "a'b\nc"),
        (r#"r"""\"x"""  "#, r#"\"x"#),
        (r#"b"""a"b""".size()"#, "3"),
        ("'a' // the rest is a comment", "a"),
        ("'🐱'.size()", "1"),
        ("b'🐱'.size()", "4"),
    ]);
    errors(&[
        (r"'\ud800'", "invalid unicode code point"),
        (r"b'\u00e9'", "unable to unescape string"),
        (r"'\q'", "token recognition error"),
        ("'a\nb'", "token recognition error"),
        ("'open", "token recognition error"),
    ]);
}

#[test]
fn operators_bind_as_they_should() {
    values(&[
        ("1 + 2 * 3 - 4", "3"),
        ("(1 + 2) * 3", "9"),
        ("10 - 2 - 3", "5"),
        ("24 / 4 / 2 % 2", "1"),
        ("1 + 1 == 2 && 2 < 3", "true"),
        ("false && true || true", "true"),
        ("true ? (false ? 1 : 2) : false ? 4 : 5", "2"),
        ("!true || !!true", "true"),
        ("--1 - -1", "2"),
        ("-(-1)", "1"),
        ("1 in [1] == true", "true"),
        ("!self.flags.on", "false"),
        ("-self.size", "-3"),
        ("[1, 2][1] + {'a': 1}.a", "3"),
    ]);
    errors(&[
        ("1 +", "mismatched input '<EOF>' expecting {'[', '{', '('"),
        ("1 2", "extraneous input '2' expecting <EOF>"),
        ("(1", "mismatched input '<EOF>' expecting ')'"),
        ("1 $ 2", "token recognition error at: '$'"),
        ("self.", "no viable alternative at input '.'"),
        ("self.in", "no viable alternative at input '.in'"),
        ("true ? 1", "mismatched input '<EOF>' expecting ':'"),
        ("self.`name`", "unsupported syntax: '`'"),
        ("", "mismatched input '<EOF>' expecting {'[', '{'"),
    ]);
}

#[test]
fn whole_numbers_never_wrap() {
    values(&[
        ("-7 / 2", "-3"),
        ("-7 % 2", "-1"),
        ("43 % 5", "3"),
        ("9223372036854775807 + 0", "9223372036854775807"),
        ("2u * 3u - 1u", "5"),
        ("7u % 4u", "3"),
    ]);
    errors(&[
        ("9223372036854775807 + 1", "integer overflow"),
        ("-9223372036854775808 - 1", "integer overflow"),
        ("-(-9223372036854775808)", "integer overflow"),
        ("-9223372036854775808 / -1", "integer overflow"),
        ("-9223372036854775808 % -1", "integer overflow"),
        ("5000000000 * 5000000000", "integer overflow"),
        ("0u - 1u", "unsigned integer overflow"),
        ("18446744073709551615u + 1u", "unsigned integer overflow"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("1u / 0u", "division by zero"),
        ("1u % 0u", "modulus by zero"),
        (
            "1 + 1u",
            "found no matching overload for '_+_' applied to '(int, uint)'",
        ),
        (
            "-1u",
            "found no matching overload for '-_' applied to '(uint)'",
        ),
        (
            "1.0 % 1.0",
            "found no matching overload for '_%_' applied to '(double, double)'",
        ),
        ("dyn(1) + dyn('a')", "no such overload"),
    ]);
}

#[test]
fn doubles_are_as_ieee_has_them() {
    values(&[
        ("1.0 / 0.0", "+Inf"),
        ("-1.0 / 0.0", "-Inf"),
        ("0.0 / 0.0 == 0.0 / 0.0", "false"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1e308 * 10.0", "+Inf"),
        ("-0.0", "-0"),
        ("1.5 - 0.5", "1"),
    ]);
    errors(&[("0.0 / 0.0 < 1.0", "NaN values cannot be ordered")]);
}

#[test]
fn equality_and_order_cross_the_numeric_types() {
    values(&[
        ("1 == 1", "true"),
        ("dyn(1) == 1u && dyn(1u) == 1.0 && dyn(1.0) == 1", "true"),
        ("dyn(1) != 1.5", "true"),
        ("dyn(-1) == 18446744073709551615u", "false"),
        ("dyn(1) == '1'", "false"),
        ("dyn(null) == 1", "false"),
        ("null == null", "true"),
        ("[1, 2] == [1, 2] && [1, 2] != [2, 1]", "true"),
        ("dyn([1]) == [1u] && dyn([1]) == [1.0]", "true"),
        ("{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", "true"),
        ("dyn({1: 'a'}) == {1u: 'a'}", "true"),
        ("{'a': [{'b': null}]} == {'a': [{'b': null}]}", "true"),
        ("1 < 2.5 && 1u < 2 && -1 < 1u && 2.0 >= 2u", "true"),
        ("'a' < 'b' && b'a' <= b'ab' && false < true", "true"),
        ("'A' < 'a' && 'a' < 'ä'", "true"),
        ("duration('1s') > duration('999ms')", "true"),
        ("type(1) == int && type(1) != uint", "true"),
    ]);
    errors(&[
        (
            "1 == '1'",
            "found no matching overload for '_==_' applied to '(int, string)'",
        ),
        (
            "[1] < [2]",
            "found no matching overload for '_<_' applied to '(list(int), list(int))'",
        ),
        ("dyn('a') < 1", "no such overload"),
        ("null < null", "no such overload"),
    ]);
}

#[test]
fn logic_absorbs_errors_that_do_not_decide() {
    values(&[
        ("false && 1 / 0 > 0", "false"),
        ("1 / 0 > 0 && false", "false"),
        ("true || 1 / 0 > 0", "true"),
        ("1 / 0 > 0 || true", "true"),
        ("true ? 1 : 1 / 0", "1"),
        ("dyn(1) == 1 || dyn('x')", "true"),
        ("[1, 0, 2].exists(x, 4 / x == 2)", "true"),
        ("[1, 0].all(x, 4 / x < 0)", "false"),
    ]);
    errors(&[
        ("true && 1 / 0 > 0", "division by zero"),
        ("1 / 0 > 0 || false", "division by zero"),
        ("1 / 0 > 0 || 1 % 0 > 0", "division by zero"),
        ("1 / 0 > 0 ? 1 : 2", "division by zero"),
        ("false || dyn('x')", "no such overload"),
        ("dyn('x') ? 1 : 2", "no such overload"),
        ("true && 1", "expected type 'bool' but found 'int'"),
        ("[1, 0].all(x, 4 / x > 0)", "division by zero"),
    ]);
}

#[test]
fn fields_indexes_and_presence() {
    values(&[
        (
            "self.list[0] + self.list[dyn(1u)] + self.list[dyn(2.0)]",
            "6",
        ),
        ("self.map['a.b'] + self.map.plain", "xy"),
        ("has(self.name) && !has(self.absent)", "true"),
        ("has(self.flags.on) && !has(self.flags.off)", "true"),
        ("has({'a': null}.a)", "true"),
        ("has(self.name.inner)", "false"),
        ("{1: 'a'}[dyn(1.0)] + {1: 'a'}[dyn(1u)]", "aa"),
        (
            "'a' in {'a': 1} && !('b' in self.map) && 2 in self.list",
            "true",
        ),
        ("dyn(2u) in self.list && !(dyn('2') in self.list)", "true"),
        (
            "size(self.list) + size(self.map) + 'ab'.size() + size(b'a')",
            "8",
        ),
        ("[1] + [2, 3] + []", "[1, 2, 3]"),
    ]);
    errors(&[
        ("self.absent", "no such key: absent"),
        ("self['absent']", "no such key: absent"),
        ("self.name.inner", "no such key: inner"),
        ("self.list[7]", "index out of bounds: 7"),
        ("self.list[-1]", "index out of bounds: -1"),
        ("[1][dyn('a')]", "unsupported index type 'string' in list"),
        ("[1][dyn(0.5)]", "unsupported index value 0.5 in list"),
        ("{1: 2}[3]", "no such key: 3"),
        ("has(self)", "invalid argument to has() macro"),
        ("1.x", "type 'int' does not support field selection"),
        (
            "[1]['a']",
            "found no matching overload for '_[_]' applied to '(list(int), string)'",
        ),
        (
            "size(1)",
            "found no matching overload for 'size' applied to '(int)'",
        ),
        (
            "'a'.size(1)",
            "found no matching overload for 'size' applied to 'string.(int)'",
        ),
    ]);
}

#[test]
fn lists_and_maps_are_of_one_type() {
    values(&[
        ("[[], [1], []]", "[[], [1], []]"),
        ("{'a': [], 'b': [1]}.b", "[1]"),
    ]);
    errors(&[
        ("[1, 'a']", "expected type 'int' but found 'string'"),
        ("[1, dyn(2)]", "expected type 'int' but found 'dyn'"),
        ("[1, 2u]", "expected type 'int' but found 'uint'"),
        (
            "{'a': 1, 'b': 'x'}",
            "expected type 'int' but found 'string'",
        ),
        ("{'a': 1, 2: 1}", "expected type 'string' but found 'int'"),
        (
            "[[1], ['a']]",
            "expected type 'list(int)' but found 'list(string)'",
        ),
    ]);
}

#[test]
fn macros_of_one_variable() {
    values(&[
        ("[1, 2, 3].all(x, x > 0) && [].all(x, x > 0)", "true"),
        ("self.map.all(k, k.size() > 2)", "true"),
        ("[1, 2].exists(x, x == 2) && ![].exists(x, true)", "true"),
        (
            "[1, 2, 2].exists_one(x, x == 1) && ![2, 2].existsOne(x, x == 2)",
            "true",
        ),
        ("[1, 2, 3].filter(x, x % 2 == 1)", "[1, 3]"),
        ("{'b': 1, 'a': 2}.map(k, k)", "[b, a]"),
        ("[1, 2, 3].map(x, x * x)", "[1, 4, 9]"),
        ("[1, 2, 3].map(x, x > 1, x * x)", "[4, 9]"),
        (
            "[[1, 2], [3]].map(l, l.map(x, x + l.size()))",
            "[[3, 4], [4]]",
        ),
        ("[1].map(x, [2].map(x, x))", "[[2]]"),
        ("self.list.map(x, dyn(x) + self.size)", "[4, 5, 6]"),
    ]);
    errors(&[
        ("[1].all(x.y, true)", "argument must be a simple name"),
        ("[1].map(1, true)", "argument is not an identifier"),
        (
            "[1].all(__result__, true)",
            "iteration variable overwrites accumulator variable",
        ),
        (
            "1.all(x, true)",
            "expression of type 'int' cannot be range of a comprehension",
        ),
        ("[1].filter(x, x)", "found no matching overload for '_?_:_'"),
        ("[1].map(x, x / 0)", "division by zero"),
        ("[1, 0].exists_one(x, 1 / x > 0)", "division by zero"),
        (
            "self.name.all(x, true)",
            "got 'string', expected iterable type",
        ),
    ]);
}

#[test]
fn macros_of_two_variables() {
    values(&[
        (
            "[5, 6].all(i, v, v == i + 5) && {'a': 1}.exists(k, v, k == 'a' && v == 1)",
            "true",
        ),
        (
            "{'a': 1, 'b': 1}.existsOne(k, v, v == 1) || [7].exists_one(i, v, v == 7)",
            "true",
        ),
        ("[5, 6].transformList(i, v, i + v)", "[5, 7]"),
        ("[5, 6].transformList(i, v, v > 5, i)", "[1]"),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v * 2)", "{a: 2, b: 4}"),
        (
            "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, k + '!')",
            "{b: b!}",
        ),
        ("{'a': 'x'}.transformMapEntry(k, v, {v: k})", "{x: a}"),
        (
            "['p', 'q'].transformMapEntry(i, v, i > 0, {v: i})",
            "{q: 1}",
        ),
    ]);
    errors(&[
        ("[1].all(x, x, true)", "duplicate variable name: x"),
        (
            "[1].transformMap(1, v, v)",
            "argument must be a simple name",
        ),
        (
            "['a', 'a'].transformMapEntry(i, v, {v: i})",
            "insert failed: key a already exists",
        ),
    ]);
}

#[test]
fn optional_values() {
    values(&[
        ("optional.of(1)", "optional(1)"),
        ("optional.none()", "optional.none()"),
        (
            "optional.ofNonZeroValue('').hasValue() || optional.ofNonZeroValue(0u).hasValue()",
            "false",
        ),
        ("self.?name.value() + self.?absent.orValue('!')", "box!"),
        ("self.?flags.on.orValue(false)", "true"),
        ("self.?absent.deeper.deepest.hasValue()", "false"),
        ("self.list[?0].value() + self.list[?9].orValue(5)", "6"),
        ("{'a': 1}[?'b'].or(optional.of(2)).value()", "2"),
        ("has(self.?flags.on) && !has(self.?absent.x)", "true"),
        ("[1, ?optional.none(), ?optional.of(2)]", "[1, 2]"),
        (
            "{'a': 1, ?'b': optional.none(), ?'c': optional.of(3)}",
            "{a: 1, c: 3}",
        ),
        ("optional.of(2).optMap(x, x * x)", "optional(4)"),
        ("optional.none().optMap(x, 1 / 0)", "optional.none()"),
        ("optional.of({'k': 1}).optFlatMap(m, m.?k)", "optional(1)"),
        ("[1, 2].first().value() + [1, 2].last().value()", "3"),
        (
            "[optional.of(1), optional.none()].unwrapOpt() == optional.unwrap([optional.of(1)])",
            "true",
        ),
        (
            "optional.of(1) == optional.of(1) && optional.of(1) != optional.none()",
            "true",
        ),
    ]);
    errors(&[
        ("optional.none().value()", "optional.none() dereference"),
        ("[?1]", "expected type 'optional_type(int)' but found 'int'"),
        (
            "optional.of(1).optMap(x.y, 1)",
            "optMap() variable name must be a simple identifier",
        ),
        ("optional.of(1) + 1", "found no matching overload for '_+_'"),
        (
            "[?dyn(1)]",
            "cannot initialize optional list element from non-optional value 1",
        ),
    ]);
}

#[test]
fn conversions() {
    values(&[
        ("int('-42') + int(4.9) + int(-4.9) + int(7u)", "-35"),
        ("uint('7') + uint(8) + uint(1.9)", "16"),
        ("double('1.5') + double(2) + double(3u)", "6.5"),
        (
            "string(1) + string(2u) + string(1.5) + string(true) + string(b'x')",
            "121.5truex",
        ),
        ("bytes('é').size()", "2"),
        ("bool('true') && bool('1') && !bool('F')", "true"),
        ("string(duration('1m1.5s'))", "61.5s"),
        (
            "string(timestamp('2020-01-01T01:00:00.5+01:00'))",
            "2020-01-01T00:00:00.5Z",
        ),
        (
            "int(timestamp('1970-01-01T00:01:00Z')) + int(duration('1us'))",
            "1060",
        ),
        ("timestamp(60) == timestamp('1970-01-01T00:01:00Z')", "true"),
        (
            "type(dyn([])) == list && type({}) == map && type(null) == null_type",
            "true",
        ),
        (
            "type(type(1)) == type && type(optional.none()) == optional_type",
            "true",
        ),
        ("type(timestamp(0)) == google.protobuf.Timestamp", "true"),
        (
            "type(b'') == bytes && type('') == string && type(1.0) == double",
            "true",
        ),
        ("double('NaN') == double('NaN')", "false"),
        ("string(1e21) + string(-0.0)", "1e+21-0"),
    ]);
    errors(&[
        (
            "int(self.name)",
            "type conversion error from 'string' to 'int'",
        ),
        ("int(1e19)", "integer overflow"),
        ("int(9223372036854775808u)", "integer overflow"),
        ("uint(-1)", "unsigned integer overflow"),
        ("uint(-0.5)", "unsigned integer overflow"),
        (
            "string(b'\\xff')",
            "invalid UTF-8 in bytes, cannot convert to string",
        ),
        (
            "bool(self.name)",
            "type conversion error from 'string' to 'bool'",
        ),
        ("int(dyn([]))", "no such overload: int(list)"),
        ("timestamp(253402300800)", "invalid timestamp argument"),
        ("timestamp('yesterday')", "invalid timestamp argument"),
        ("duration('1 hour')", "invalid duration argument"),
        ("timestamp(self.size * 100000000000)", "timestamp overflow"),
        (
            "duration(self.name)",
            "type conversion error from 'string' to 'google.protobuf.Duration'",
        ),
        (
            "int([])",
            "found no matching overload for 'int' applied to '(list(dyn))'",
        ),
    ]);
}

#[test]
fn timestamps_and_durations() {
    const AT: &str = "timestamp('2009-02-13T23:31:20.123456789Z')";
    for (call, value) in [
        ("getFullYear()", "2009"),
        ("getMonth()", "1"),
        ("getDayOfYear()", "43"),
        ("getDayOfMonth()", "12"),
        ("getDate()", "13"),
        ("getDayOfWeek()", "5"),
        ("getHours()", "23"),
        ("getMinutes()", "31"),
        ("getSeconds()", "20"),
        ("getMilliseconds()", "123"),
        ("getDayOfWeek('+01:00')", "6"),
        ("getDate('-23:59')", "12"),
        ("getHours('UTC')", "23"),
        ("getMinutes('02:30')", "1"),
    ] {
        values(&[(&format!("{AT}.{call}"), value)]);
    }
    values(&[
        ("duration('3730s').getHours()", "1"),
        ("duration('3730s').getMinutes()", "62"),
        ("duration('3730.5s').getSeconds()", "3730"),
        ("duration('3730.5s').getMilliseconds()", "3730500"),
        ("timestamp(10) - timestamp(4)", "6s"),
        (
            "timestamp(10) - duration('4s') == duration('-4s') + timestamp(10)",
            "true",
        ),
        ("duration('1h') + duration('-1m')", "3540s"),
        (
            "timestamp(0) < timestamp(1) && duration('0') == duration('0s')",
            "true",
        ),
    ]);
    errors(&[
        (
            "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
            "timestamp overflow",
        ),
        (
            "timestamp('0001-01-01T00:00:00Z') - duration('1ns')",
            "timestamp overflow",
        ),
        (
            "duration('2562047h') + duration('2562047h')",
            "duration overflow",
        ),
        (
            "timestamp('9999-12-31T00:00:00Z') - timestamp('0001-01-01T00:00:00Z')",
            "integer overflow",
        ),
        (
            "timestamp(0).getHours('Mars/Olympus')",
            "unknown time zone Mars/Olympus",
        ),
        (
            "timestamp(0).getHours('01:75')",
            "timezone offset minutes out of range [0, 59]: 01:75",
        ),
    ]);
}

#[test]
fn texts_are_searched() {
    values(&[
        (
            "'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')",
            "true",
        ),
        ("''.contains('') && !'a'.contains('b')", "true"),
        (
            "'hello'.matches('^h.*o$') && matches('hello', 'll') && !'hello'.matches('^l')",
            "true",
        ),
        ("'a' + 'b' == 'ab' && b'a' + b'b' == b'ab'", "true"),
    ]);
    errors(&[
        ("'a'.matches('(')", "invalid matches argument"),
        (
            "'a'.contains(1)",
            "found no matching overload for 'contains' applied to 'string.(int)'",
        ),
        ("self.size.startsWith('a')", "no such overload"),
    ]);
}
