//! The libraries, as expressions see them: each case is an expression that must be true, or one
//! with the error it must come to. Beside what functions do, what calls cost.

use skerry_cel::{
    Authorizer, Budget, CURRENT, Check, Decision, Env, JSON_PATCH, Object, Resource, Type, Value,
    Variables, Version, authorizer_type, authorizer_value, resource_check_type,
    resource_check_value,
};
use std::sync::Arc;

fn evaluate(env: &Env, expression: &str, variables: &Variables<'static>) -> (String, u64) {
    let program = match env.compile(expression) {
        Ok(program) => program,
        Err(issues) => return (format!("not compiled: {issues}"), 0),
    };
    let mut budget = Budget::per_call();
    let outcome = match program.eval(variables, &mut budget) {
        Ok(value) => value.to_string(),
        Err(error) => format!("error: {error}"),
    };
    (outcome, budget.spent())
}

fn outcome(expression: &str) -> String {
    let env = Env::kubernetes(CURRENT).with_library(&JSON_PATCH);
    evaluate(&env, expression, &Variables::new()).0
}

fn all_true(expressions: &[&str]) {
    for expression in expressions {
        assert_eq!(outcome(expression), "true", "{expression}");
    }
}

fn all_fail(cases: &[(&str, &str)]) {
    for (expression, error) in cases {
        assert_eq!(
            outcome(expression),
            format!("error: {error}"),
            "{expression}"
        );
    }
}

#[test]
fn quantities_are_parsed_compared_and_added() {
    all_true(&[
        "quantity('12Mi') == quantity('12582912')",
        "isQuantity('1.3Gi') && !isQuantity('1,3G') && !isQuantity('200K')",
        "quantity('200M').compareTo(quantity('0.2G')) == 0",
        "quantity('50M').compareTo(quantity('50Mi')) == -1",
        "quantity('150Mi').isGreaterThan(quantity('100Mi'))",
        "quantity('50M').isLessThan(quantity('100M'))",
        "quantity('50k').add(quantity('20k')) == quantity('70k')",
        "quantity('50k').add(20) == quantity('50020')",
        "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
        "quantity('50k').asInteger() == 50000",
        "!quantity('9999999999999999999999999999999999999G').isInteger()",
        "quantity('50k').sub(20000).asApproximateFloat() == 30000.0",
        "sign(quantity('-1')) == -1 && sign(quantity('0')) == 0",
    ]);
    all_fail(&[
        ("quantity('10Mm')", "unable to parse quantity's suffix"),
        (
            "quantity('1.5').asInteger()",
            "cannot convert value to integer",
        ),
    ]);
}

#[test]
fn addresses_and_networks_are_asked_about() {
    all_true(&[
        "ip('192.168.0.1').family() == 4 && ip('::1').family() == 6",
        "ip('192.168.0.1') == ip('192.168.0.1') && ip('::1') != ip('::2')",
        "isIP('2001:db8::68') && !isIP('2001:db8:::68')",
        "ip.isCanonical('2001:db8::68') && !ip.isCanonical('2001:DB8::68')",
        "ip('0.0.0.0').isUnspecified() && ip('127.0.0.1').isLoopback()",
        "ip('224.0.0.1').isLinkLocalMulticast() && ip('fe80::1').isLinkLocalUnicast()",
        "ip('192.168.0.1').isGlobalUnicast()",
        "string(ip('192.168.0.1')) == '192.168.0.1'",
        "type(ip('192.168.0.1')) == net.IP",
        "cidr('192.168.0.0/24').containsIP('192.168.0.1')",
        "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))",
        "!cidr('192.168.0.0/24').containsCIDR('192.168.0.0/23')",
        "cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/25'))",
        "cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')",
        "cidr('192.168.0.1/24').ip() == ip('192.168.0.1')",
        "cidr('2001:db8::/32').prefixLength() == 32",
        "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0')",
        "string(cidr('192.168.0.0/24')) == '192.168.0.0/24'",
        "type(cidr('192.168.0.0/24')) == net.CIDR",
    ]);
    all_fail(&[
        (
            "ip('192.168.0.1.0')",
            "IP Address \"192.168.0.1.0\" parse error during conversion from string: \
             ParseAddr(\"192.168.0.1.0\"): IPv4 address too long",
        ),
        (
            "cidr('192.168.0.0/')",
            "network address parse error during conversion from string: network address parse \
             error during conversion from string: netip.ParsePrefix(\"192.168.0.0/\"): bad bits \
             after slash: \"\"",
        ),
        ("cidr('10.0.0.0/8').containsIP('nope')", "no such overload"),
    ]);
    let refused = outcome("isIP(cidr('192.168.0.0/24'))");
    assert!(
        refused.contains("found no matching overload for 'isIP' applied to '(net.CIDR)'"),
        "{refused}"
    );
}

#[test]
fn urls_are_taken_apart() {
    all_true(&[
        "url('https://example.com:80/path').getScheme() == 'https'",
        "url('https://example.com:80/').getHost() == 'example.com:80'",
        "url('https://[::1]:80/').getHostname() == '::1'",
        "url('https://example.com:80/').getPort() == '80'",
        "url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
        "url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() \
            == {'k1': ['a'], 'k2': ['b', 'c']}",
        "url('https://example.com/path').getQuery() == {}",
        "isURL('/absolute-path') && !isURL('../relative-path') && !isURL('https://a:b:c/')",
        "url('https://a/b') == url('HTTPS://a/b')",
    ]);
    all_fail(&[(
        "url('nope')",
        "URL parse error during conversion from string: parse \"nope\": invalid URI for request",
    )]);
}

#[test]
fn versions_are_compared() {
    all_true(&[
        "semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('1.2.3-beta.1+build.1')",
        "semver('1.0.0').isGreaterThan(semver('1.0.0-rc.1'))",
        "semver('1.0.0+a').compareTo(semver('1.0.0+b')) == 0",
        "semver('v1.2', true) == semver('1.2.0') && !isSemver('v1.2') && isSemver('v1.2', true)",
        "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2",
        "semver('1.2.3').patch() == 3",
    ]);
    all_fail(&[("semver('v1.0')", "No Major.Minor.Patch elements found")]);
}

#[test]
fn named_formats_validate() {
    all_true(&[
        "!format.dns1123Label().validate('my-label-name').hasValue()",
        "format.date().validate('2020-01-32').value() == ['invalid date']",
        "format.named('uuid').value() == format.uuid() && format.uri() != format.uuid()",
        "!format.named('unknown').hasValue()",
        "format.byte().validate('aGVsbG8') == optional.of(['invalid base64'])",
        "format.uri().validate('x').value() == ['parse \"x\": invalid URI for request']",
    ]);
}

#[test]
fn strings_are_cut_searched_and_joined() {
    all_true(&[
        "'tacocat'.charAt(3) == 'o' && 'tacocat'.charAt(7) == '' && '©αT'.charAt(0) == '©'",
        "'tacocat'.indexOf('') == 0 && 'tacocat'.indexOf('ac') == 1",
        "'ta©o©αT'.indexOf('©') == 2 && 'ta©o©αT'.indexOf('©', 3) == 4",
        "'tacocat'.indexOf('none') == -1 && 'ab'.indexOf('b', 5) == -1 && 'ab'.indexOf('', 5) == 2",
        "'tacocat'.lastIndexOf('at') == 5 && 'ta©o©αT'.lastIndexOf('©') == 4",
        "'hello mellow'.lastIndexOf('ello', 6) == 1 && 'hello mellow'.lastIndexOf('ello', 7) == 7",
        "'aaaa'.lastIndexOf('aa', 1) == 1 && 'tacocat'.lastIndexOf('') == 7",
        "'a'.lastIndexOf('ab') == -1 && 'a'.lastIndexOf('a', 3) == -1",
        "'TacoCÆt Xii'.lowerAscii() == 'tacocÆt xii' && 'tacoCæt'.upperAscii() == 'TACOCæT'",
        "'hello hello'.replace('he', 'we') == 'wello wello'",
        "'hello hello'.replace('he', 'we', 1) == 'wello hello'",
        "'hello'.replace('he', 'we', 0) == 'hello' && 'ab'.replace('', 'x') == 'xaxbx'",
        "'hello world hello'.split(' ') == ['hello', 'world', 'hello']",
        "'hello'.split('') == ['h', 'e', 'l', 'l', 'o'] && 'hello'.split('', 2) == ['h', 'ello']",
        "'a b c'.split(' ', 0) == [] && 'a b c'.split(' ', 1) == ['a b c']",
        "'a b c'.split(' ', -1) == ['a', 'b', 'c'] && ''.split('') == [] && ''.split(',') == ['']",
        "'tacocat'.substring(4) == 'cat' && 'ta©o©αT'.substring(2, 6) == '©o©α'",
        "' \\f\\n\\u00a0text\\t '.trim() == 'text'",
        "['x', 'y'].join() == 'xy' && ['x', 'y'].join('-') == 'x-y' && [].join('-') == ''",
        r#"strings.quote('first\n"second"') == r'"first\n\"second\""'"#,
    ]);
    all_fail(&[
        ("'tacocat'.charAt(30)", "index out of range: 30"),
        ("'tacocat'.indexOf('a', -1)", "index out of range: -1"),
        ("'tacocat'.substring(40)", "index out of range: 40"),
        (
            "'tacocat'.substring(2, 1)",
            "invalid substring range. start: 2, end: 1",
        ),
    ]);
    // Version 2 of the library has no reverse of strings.
    assert!(outcome("'ab'.reverse()").contains("found no matching overload for 'reverse'"));
}

#[test]
fn values_are_formatted() {
    all_true(&[
        "'%% and %s'.format(['text']) == '% and text'",
        "'%d %d %b %b %o %x %X'.format([1, dyn(2u), -5, dyn(true), 8, 30, 30]) == '1 2 -101 1 10 1e 1E'",
        "'%x %X'.format(['Hi', dyn(b'\\x00k')]) == '4869 006B'",
        "'%.3f %f'.format([1.2345, 1234567.5]) == '1.234 1,234,567.500000'",
        "'%f %f'.format(['Infinity', 'NaN']) == '∞ NaN'",
        "'%e'.format([1052.032911275]) == '1.052033\\u202f\\u00d7\\u202f10\\u2070\\u00b3'",
        "'%s %s %s'.format([2.71, dyn(null), dyn(type(''))]) == '2.71 null string'",
        "'%s'.format([[2.71, dyn('a'), dyn(b'x'), dyn([null])]]) == '[2.710000, \"a\", b\"x\", [null]]'",
        "'%s'.format([{'k2': dyn(duration('2h')), 'k1': dyn(true)}]) == \
            '{\"k1\":true, \"k2\":duration(\"7200s\")}'",
        "'%s'.format([timestamp('2023-02-03T23:31:20+00:00')]) == '2023-02-03T23:31:20Z'",
    ]);
    all_fail(&[
        (
            "dyn('%a').format([1])",
            "could not parse formatting clause: unrecognized formatting clause \"a\"",
        ),
        ("dyn('%d %d').format([0])", "index 1 out of range"),
        ("dyn('%').format([0])", "unexpected end of string"),
        (
            "'%d'.format([dyn(duration('30m'))])",
            "error during formatting: decimal clause can only be used on integers, was given \
             google.protobuf.Duration",
        ),
    ]);
    for (expression, issue) in [
        (
            "'%s %s'.format(['a', 'b', 'c'])",
            "too many arguments supplied to string.format (expected 2, got 3)",
        ),
        ("'%s %s'.format(['a'])", "index 1 out of range"),
        (
            "'%d'.format([5.2])",
            "error during formatting: decimal clause can only be used on integers, was given double",
        ),
    ] {
        assert!(
            outcome(expression).contains(issue),
            "{expression}: {}",
            outcome(expression)
        );
    }
}

#[test]
fn patterns_find_what_they_match() {
    all_true(&[
        "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('xyz') == ''",
        "'123 abc 456'.findAll('[0-9]+') == ['123', '456']",
        "'123 abc 456'.findAll('[0-9]+', 1) == ['123'] && 'abc'.findAll('[0-9]') == []",
        "'123 abc 456'.findAll('[0-9]+', -1) == ['123', '456']",
        "['1', '22'].all(p, '22 1'.find(p) == p)",
    ]);
    all_fail(&[(
        "['('].map(p, 'a'.find(p))",
        "Illegal regex: error parsing regexp: missing closing ): `(`",
    )]);
    let constant = outcome("'a'.find('(')");
    assert!(
        constant.contains("error parsing regexp: missing closing ): `(`"),
        "{constant}"
    );
}

#[test]
fn lists_are_summed_sorted_and_searched() {
    all_true(&[
        "[1, 2, 3].isSorted() && ['a', 'b', 'b'].isSorted() && ![2.0, 1.0].isSorted()",
        "[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [].sum() == 0",
        "[duration('1m'), duration('1s')].sum() == duration('61s')",
        "[1, 3].min() == 1 && [1, 3].max() == 3 && ['a', 'b'].max() == 'b'",
        "[1, 2, 2, 3].indexOf(2) == 1 && ['a', 'b', 'b'].lastIndexOf('b') == 2",
        "[1.0].indexOf(1.1) == -1 && [].indexOf('s') == -1",
        "dyn([1.5, 2.5]).sum() == 4.0",
    ]);
    all_fail(&[
        ("[1].filter(i, i > 1).min()", "min called on empty list"),
        ("[9223372036854775807, 1].sum()", "integer overflow"),
    ]);
}

#[test]
fn lists_are_cut_flattened_and_sorted() {
    all_true(&[
        "[1, 2, 3, 4].slice(1, 3) == [2, 3] && [1].slice(1, 1) == []",
        "[[1], [2, 3]].flatten() == [1, 2, 3]",
        "[[[[1]]], [[[2], [3]]]].flatten(2) == [[1], [2], [3]]",
        "[3, 1, 2].sort() == [1, 2, 3] && ['b', 'a'].sort() == ['a', 'b'] && [].sort() == []",
        "[{'n': 8, 'p': 2}, {'n': 9, 'p': 1}].sortBy(e, e.p).map(e, e.n) == [9, 8]",
        "lists.range(3) == [0, 1, 2] && lists.range(-1) == []",
        "[1, 2, 3].reverse() == [3, 2, 1] && [1, 2, 1, 3, 2].distinct() == [1, 2, 3]",
        "[1, 2].first().value() == 1 && [1, 2].last().value() == 2 && ![].first().hasValue()",
    ]);
    all_fail(&[
        ("[1].slice(0, 2)", "cannot slice(0, 2), list is length 1"),
        (
            "[1].slice(-1, 1)",
            "cannot slice(-1, 1), negative indexes not supported",
        ),
        (
            "[1].slice(1, 0)",
            "cannot slice(1, 0), start index must be less than or equal to end index",
        ),
        ("[[1]].flatten(-1)", "level must be non-negative"),
        (
            "lists.range(1000000000)",
            "operation cancelled: actual cost limit exceeded",
        ),
        (
            "lists.range(2000).distinct()",
            "operation cancelled: actual cost limit exceeded",
        ),
    ]);
}

#[test]
fn lists_are_compared_as_sets() {
    all_true(&[
        "sets.contains([1, 2, 3], [3, 1]) && !sets.contains([1], [2]) && sets.contains([], [])",
        "sets.equivalent([1, 1, 2], [2, 1]) && !sets.equivalent([1], [1, 2])",
        "sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [])",
    ]);
}

#[test]
fn keys_of_patches_are_escaped() {
    all_true(&["jsonpatch.escapeKey('k8s.io/my~label') == 'k8s.io~1my~0label'"]);
}

/// Allows what is asked of service accounts and of the path `/ok`.
struct Rules;

impl Authorizer for Rules {
    fn authorize(&self, check: &Check) -> Decision {
        let allowed = match &check.object {
            Object::Path(path) => path == "/ok",
            Object::Resource(_) => check.service_account.is_some(),
        };
        Decision {
            allowed,
            reason: format!("{} {:?}", check.verb, check.object),
            error: (check.verb == "break").then(|| "broken".to_owned()),
        }
    }
}

#[test]
fn the_authorizer_is_asked_what_the_expression_says() {
    let env = Env::kubernetes(CURRENT)
        .with_variable("authorizer", authorizer_type())
        .with_variable("authorizer.requestResource", resource_check_type());
    let own = Resource {
        group: "apps".to_owned(),
        resource: "deployments".to_owned(),
        ..Resource::default()
    };
    let variables = Variables::new()
        .with("authorizer", authorizer_value(Arc::new(Rules)))
        .with(
            "authorizer.requestResource",
            resource_check_value(Arc::new(Rules), own),
        );
    for (expression, wanted) in [
        ("authorizer.path('/ok').check('get').allowed()", "true"),
        ("authorizer.path('/no').check('get').allowed()", "false"),
        (
            "authorizer.path(' ').check('get').allowed()",
            "error: path must not be empty",
        ),
        (
            "authorizer.serviceAccount('default', 'me').group('').resource('pods').check('get')\
             .allowed()",
            "true",
        ),
        (
            "authorizer.group('').resource('')",
            "error: resource must not be empty",
        ),
        (
            "authorizer.serviceAccount('a.b', 'c')",
            "error: Invalid service account namespace",
        ),
        (
            "authorizer.serviceAccount('a', 'C')",
            "error: Invalid service account name",
        ),
        (
            "authorizer.group('g').resource('r').subresource('s').namespace('n').name('m')\
             .fieldSelector('a=b').labelSelector('c=d').check('list').reason()",
            "list Resource(Resource { group: \"g\", resource: \"r\", subresource: \"s\", \
             namespace: \"n\", name: \"m\", field_selector: \"a=b\", label_selector: \"c=d\" })",
        ),
        ("authorizer.path('/ok').check('break').errored()", "true"),
        ("authorizer.path('/ok').check('break').error()", "broken"),
        (
            "authorizer.requestResource.check('get').reason().contains('deployments')",
            "true",
        ),
        (
            "[1, 2, 3].all(i, authorizer.path('/ok').check('get').allowed())",
            "error: operation cancelled: actual cost limit exceeded",
        ),
    ] {
        assert_eq!(
            evaluate(&env, expression, &variables).0,
            wanted,
            "{expression}"
        );
    }
}

#[test]
fn calls_cost_what_upstream_reckons() {
    let text = "x".repeat(100);
    let env = Env::kubernetes(CURRENT)
        .with_variable("s", Type::String)
        .with_variable("l", Type::list(Type::Int));
    let variables = Variables::new()
        .with("s", Value::string(text))
        .with("l", Value::list((0..20).map(Value::Int).collect()));
    for (expression, cost) in [
        // A variable costs 1, then the call.
        ("s.lowerAscii()", 1 + 10),
        ("s.replace('x', 'y')", 1 + 20),
        ("s.split('')", 1 + 20),
        ("s.find('x+')", 1 + 11),
        ("quantity('12Mi')", 1),
        ("isQuantity(s)", 1 + 10),
        ("url(s)", 1 + 10),
        ("l.sum()", 1 + 20),
        ("s.indexOf('y')", 1 + 10),
        ("ip('127.0.0.1').family()", 1 + 1),
        ("ip.isCanonical('127.0.0.1')", 2),
        ("cidr('10.0.0.0/8').containsIP('10.0.0.1')", 1 + 1 + 1),
        (
            "cidr('10.0.0.0/8').containsCIDR(cidr('10.0.0.0/16'))",
            1 + 2 + 3,
        ),
        ("sets.contains(l, l)", 2 + 1 + 400),
        ("sets.equivalent(l, l)", 2 + 1 + 800),
        ("l.slice(0, 10)", 1 + 10 + 11),
        ("l.sort()", 1 + 800 + 11),
        ("l.distinct()", 1 + 800 + 11),
        ("l.reverse()", 1 + 20 + 11),
        ("lists.range(5)", 5 + 11),
        ("format.dns1123Label().validate(s)", 1 + 1 + 11 * 8),
        ("'%s'.format([s])", 1 + 10 + 1),
    ] {
        let (_, spent) = evaluate(&env, expression, &variables);
        assert_eq!(spent, cost, "{expression}");
    }
}

#[test]
fn estimates_are_upstreams() {
    let env = Env::kubernetes(CURRENT);
    let estimate = |expression: &str| {
        let program = env.compile(expression).expect("compiles");
        let cost = program.cost(&());
        (cost.min, cost.max)
    };
    for (expression, cost) in [
        ("quantity('12Mi')", (1, 1)),
        ("'abcdefghijabcdefghij'.lowerAscii()", (2, 2)),
        ("'abcdefghijabcdefghij'.replace('a', 'b')", (4, 4)),
        ("'abcdefghij'.find('abcd')", (2, 2)),
        ("ip('127.0.0.1').family()", (2, 2)),
        ("cidr('10.0.0.0/8').ip()", (2, 2)),
        ("cidr('10.0.0.0/8').containsIP('10.0.0.1')", (3, 6)),
        ("[1, 2, 3].sum()", (13, 13)),
        ("sets.contains([1, 2], [1])", (23, 23)),
        ("[1, 2, 3].slice(0, 2)", (23, 23)),
        ("lists.range(10)", (21, 21)),
        ("[3, 1].sort()", (29, 29)),
        ("strings.quote('0123456789')", (1, 1)),
        ("quantity('1') == quantity('2')", (3, 3)),
        ("ip('::1') == ip('::2')", (3, 3)),
        ("format.date() == format.uri()", (3, 9)),
        (
            "url('https://example.com/abc') == url('https://example.com/abd')",
            (7, 9),
        ),
    ] {
        assert_eq!(estimate(expression), cost, "{expression}");
    }
}

#[test]
fn libraries_come_with_their_versions() {
    let has = |version, expression: &str| Env::kubernetes(version).compile(expression).is_ok();
    for (since, expression) in [
        (28, "quantity('1')"),
        (29, "sets.contains([1], [1])"),
        (30, "ip('::1')"),
        (30, "cidr('::/0')"),
        (31, "format.date()"),
        (32, "[1].all(i, v, i == v)"),
        (33, "semver('1.0.0')"),
        (34, "lists.range(1)"),
    ] {
        assert!(has(Version(1, since), expression), "{expression}");
        assert!(!has(Version(1, since - 1), expression), "{expression}");
    }
    // Not before 1.37.
    assert!(!has(CURRENT, "[1].includes(1)"));
}

#[test]
fn no_call_makes_more_than_it_may() {
    let env = Env::kubernetes(CURRENT).with_variable("s", Type::String);
    let variables = Variables::new().with("s", Value::string("x".repeat(10_000)));
    let (found, _) = evaluate(&env, "s.replace('', s)", &variables);
    assert_eq!(found, "error: string is too long");
    let nested = ".optMap(x, [x, x, x, x, x, x, x, x])".repeat(7);
    let expression = format!("optional.of([1]){nested}.value().flatten(100)");
    assert_eq!(
        outcome(&expression),
        "error: operation cancelled: actual cost limit exceeded"
    );
}
