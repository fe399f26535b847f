use super::*;

fn of(text: &str) -> Result<Config, String> {
    parse(Path::new("t.toml"), text).map_err(|wrong| wrong.to_string())
}

#[test]
fn tools_and_scripts_are_understood() {
    let config = of(r#"
        listen = "0.0.0.0:1000"
        [series]
        max = 50
        keep = "1h"
        [[tool]]
        run = "syscount --by process"
        [[tool]]
        run = "syscount -H --syscall 'read,write'"
        name = "io"
        pid = true
        series.max = 7
        [[script]]
        source = 'BEGIN { @a[comm] = count(); }'
        params = ["1", "--x=2"]
        metrics."@a" = { help = "what" }
    "#)
    .expect("it is right");
    assert_eq!(config.listen.port(), 1000);
    let [
        Source::Tool(first),
        Source::Tool(second),
        Source::Script(script),
    ] = &config.sources[..]
    else {
        panic!("{:?}", config.sources)
    };
    assert_eq!((first.name.as_str(), first.series.max), ("syscount", 50));
    assert_eq!((second.name.as_str(), second.series.max), ("io", 7));
    assert_eq!(second.words, ["syscount", "-H", "--syscall", "read,write"]);
    assert_eq!(second.series.keep, Duration::from_secs(3600));
    assert_eq!(script.name, "inline");
    assert_eq!(script.run.params.positional, ["1"]);
    assert_eq!(script.hints["@a"].help.as_deref(), Some("what"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let tool = "[[tool]]\nrun = \"syscount\"\n";
    for (text, expected) in [
        (
            "",
            "t.toml: nothing is exported: add a [[tool]] or a [[script]]",
        ),
        (
            "listen = 5",
            "t.toml:1:10: invalid type: integer `5`, expected a string",
        ),
        (
            "listen = \"x\"",
            "t.toml:1:10: not an address and a port, such as 127.0.0.1:9435 or [::1]:9435",
        ),
        ("a = 1", "t.toml:1:1: unknown field `a`"),
        ("user = \"no one\"", "t.toml:1:8: there is no user no one"),
        ("[series]\nmax = 0", "t.toml:2:7: must be from 1 to 100000"),
        (
            "[series]\nbuckets_per_octave = 3",
            "t.toml:2:22: must be 1, 2, 4, 8 or 16",
        ),
        ("[series]\nkeep = \"1x\"", "t.toml:2:8: "),
        (
            "[[tool]]\nrun = \"nosuch\"",
            "t.toml:2:7: unrecognized subcommand 'nosuch'",
        ),
        ("[[tool]]\nrun = \"run -e x\"", "t.toml:2:7: run is no tool"),
        (
            "[[tool]]\nrun = \"syscount --nosuch\"",
            "t.toml:2:7: unexpected argument '--nosuch' found",
        ),
        (
            "[[tool]]\nrun = \"syscount -i 1\"",
            "t.toml:2:7: cannot export syscount: --interval has no meaning for what is exported",
        ),
        ("[[tool]]\nrun = \"x 'y\"", "t.toml:2:7: ' is not closed"),
        (
            "[[tool]]\nrun = \"syscount\"\nname = \"A\"",
            "t.toml:3:8: must be of a to z",
        ),
        (
            &format!("{tool}{tool}"),
            "t.toml:3:1: there is another syscount already",
        ),
        (
            "[[script]]\nname = \"x\"",
            "t.toml:1:1: a script has either a file or a source",
        ),
        (
            "[[script]]\nfile = \"/nosuch.bt\"",
            "t.toml:2:8: cannot read /nosuch.bt",
        ),
        (
            "[[script]]\nsource = \"x\"\nmetrics.\"@a\" = { unit = \"x\" }",
            "t.toml:3:16: @a: unknown unit \"x\"",
        ),
        ("[[tool]\n", "t.toml:1:"),
    ] {
        let error = of(text).expect_err(text);
        assert!(error.starts_with(expected), "{text}\n{error}");
    }
}
