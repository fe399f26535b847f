//! The config block and its environment.

use crate::{
    ast::{Expr, ExprKind, Script, visit},
    diagnostic::{Diagnostics, Span, nearest},
    facts::Facts,
    types::StackMode,
};

/// What is to be done about probes that are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingProbes {
    /// Refuse the script.
    #[default]
    Error,
    /// Say so and go on.
    Warn,
    /// Go on.
    Ignore,
}

impl MissingProbes {
    /// As it is written.
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Ignore => "ignore",
        }
    }
}

/// How much is kept of the symbols of user programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as in scripts")]
pub enum SymbolCache {
    PerPid,
    PerProgram,
    None,
}

impl SymbolCache {
    /// As it is written.
    fn name(self) -> &'static str {
        match self {
            Self::PerPid => "PER_PID",
            Self::PerProgram => "PER_PROGRAM",
            Self::None => "NONE",
        }
    }
}

/// What a script may set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as in scripts")]
pub struct Config {
    pub cache_user_symbols: Option<SymbolCache>,
    pub cpp_demangle: bool,
    pub lazy_symbolication: bool,
    pub license: String,
    pub log_size: u64,
    pub max_bpf_progs: u64,
    pub max_cat_bytes: u64,
    pub max_map_keys: u64,
    pub max_probes: u64,
    pub max_strlen: u64,
    pub missing_probes: MissingProbes,
    pub on_stack_limit: u64,
    pub perf_rb_pages: u64,
    pub print_maps_on_exit: bool,
    pub show_debug_info: bool,
    pub stack_mode: StackMode,
    pub str_trunc_trailer: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_user_symbols: None,
            cpp_demangle: true,
            lazy_symbolication: true,
            license: "GPL".to_owned(),
            log_size: 1_000_000,
            max_bpf_progs: 1024,
            max_cat_bytes: 10_240,
            max_map_keys: 4096,
            max_probes: 1024,
            max_strlen: 1024,
            missing_probes: MissingProbes::Error,
            on_stack_limit: 32,
            perf_rb_pages: 0,
            print_maps_on_exit: true,
            show_debug_info: true,
            stack_mode: StackMode::Bpftrace,
            str_trunc_trailer: "..".to_owned(),
        }
    }
}

/// All that can be set, for hints.
const KEYS: [&str; 17] = [
    "cache_user_symbols",
    "cpp_demangle",
    "lazy_symbolication",
    "license",
    "log_size",
    "max_bpf_progs",
    "max_cat_bytes",
    "max_map_keys",
    "max_probes",
    "max_strlen",
    "missing_probes",
    "on_stack_limit",
    "perf_rb_pages",
    "print_maps_on_exit",
    "show_debug_info",
    "stack_mode",
    "str_trunc_trailer",
];

/// Known, and without effect here.
const WITHOUT_EFFECT: [&str; 12] = [
    "symbol_source",
    "max_type_res_iterations",
    "unstable_addr",
    "unstable_import",
    "unstable_import_statement",
    "unstable_macro",
    "unstable_map_decl",
    "unstable_tseries",
    "unstable_dw_ustack",
    "unstable_typeinfo",
    "use_blazesym",
    "debug_output",
];

const RENAMED: [(&str, &str); 4] = [
    ("strlen", "max_strlen"),
    ("no_cpp_demangle", "cpp_demangle"),
    ("cat_bytes_max", "max_cat_bytes"),
    ("map_keys_max", "max_map_keys"),
];

const LICENSES: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// Reads the block, and then the environment, which has the last word.
pub fn read(
    entries: &[(String, String, Span)],
    environment: &[(String, String)],
    facts: &dyn Facts,
    diagnostics: &mut Diagnostics,
) -> Config {
    let mut config = Config::of_kernel(facts);
    for (key, value, span) in entries {
        let known = key.to_ascii_lowercase();
        let known = known.strip_prefix("bpftrace_").unwrap_or(&known);
        if let Err(message) = config.set(known, value) {
            match nearest(known, KEYS.into_iter()) {
                Some(near) if message.starts_with("Unrecognized") => {
                    diagnostics.error_hint(*span, message, format!("did you mean {near}?"));
                }
                _ => diagnostics.error(*span, message),
            }
        }
    }
    for (name, value) in environment {
        let Some(key) = name.strip_prefix("BPFTRACE_") else {
            continue;
        };
        let key = key.to_ascii_lowercase();
        let known = KEYS.contains(&key.as_str()) || RENAMED.iter().any(|(old, _)| *old == key);
        if known && let Err(message) = config.set(&key, value) {
            diagnostics.error(Span::default(), format!("{name}: {message}"));
        }
    }
    config
}

impl Config {
    /// What holds where nothing is set. Before Linux 5.11 a key could have no more than 512 bytes
    /// (`kernel/bpf/hashtab.c`): strings are shorter there, so that two of them and a number make one.
    fn of_kernel(facts: &dyn Facts) -> Self {
        let default = Self::default();
        let max_strlen = if facts.since(5, 11) {
            default.max_strlen
        } else {
            240
        };
        Self {
            max_strlen,
            ..default
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == key) {
            return Err(format!("{key} is now called {new}"));
        }
        match key {
            "cache_user_symbols" => {
                self.cache_user_symbols = Some(match value {
                    "PER_PID" | "1" | "true" => SymbolCache::PerPid,
                    "PER_PROGRAM" => SymbolCache::PerProgram,
                    "NONE" | "0" | "false" => SymbolCache::None,
                    _ => return Err(invalid(key, value, "PER_PID, PER_PROGRAM, NONE")),
                });
            }
            "cpp_demangle" => self.cpp_demangle = boolean(key, value)?,
            "lazy_symbolication" => self.lazy_symbolication = boolean(key, value)?,
            "license" => {
                if !LICENSES.contains(&value) {
                    return Err(invalid(key, value, &LICENSES.join(", ")));
                }
                self.license = value.to_owned();
            }
            "log_size" => self.log_size = number(key, value, 1..=1 << 30)?,
            "max_bpf_progs" => self.max_bpf_progs = number(key, value, 0..=1 << 20)?,
            "max_cat_bytes" => self.max_cat_bytes = number(key, value, 0..=1 << 30)?,
            "max_map_keys" => self.max_map_keys = number(key, value, 1..=1 << 26)?,
            "max_probes" => self.max_probes = number(key, value, 0..=1 << 20)?,
            "max_strlen" => self.max_strlen = number(key, value, 1..=1 << 16)?,
            "missing_probes" => {
                self.missing_probes = match value {
                    "error" => MissingProbes::Error,
                    "warn" => MissingProbes::Warn,
                    "ignore" => MissingProbes::Ignore,
                    _ => return Err(invalid(key, value, "error, warn, ignore")),
                };
            }
            "on_stack_limit" => self.on_stack_limit = number(key, value, 0..=512)?,
            "perf_rb_pages" => self.perf_rb_pages = number(key, value, 0..=1 << 20)?,
            "print_maps_on_exit" => self.print_maps_on_exit = boolean(key, value)?,
            "show_debug_info" => self.show_debug_info = boolean(key, value)?,
            "stack_mode" => {
                self.stack_mode = StackMode::by_name(value)
                    .ok_or_else(|| invalid(key, value, "bpftrace, perf, raw, build_id"))?;
            }
            "str_trunc_trailer" => self.str_trunc_trailer = value.to_owned(),
            _ if WITHOUT_EFFECT.contains(&key) => {}
            _ => return Err(format!("Unrecognized config variable: {key}")),
        }
        Ok(())
    }

    /// All values by their names, as `config` shows them.
    pub fn entries(&self) -> Vec<(&'static str, Setting)> {
        let text = |text: &str| Setting::Text(text.to_owned());
        let cache = self.cache_user_symbols.unwrap_or(SymbolCache::PerPid);
        vec![
            ("cache_user_symbols", text(cache.name())),
            ("cpp_demangle", Setting::Truth(self.cpp_demangle)),
            (
                "lazy_symbolication",
                Setting::Truth(self.lazy_symbolication),
            ),
            ("license", text(&self.license)),
            ("log_size", Setting::Number(self.log_size)),
            ("max_bpf_progs", Setting::Number(self.max_bpf_progs)),
            ("max_cat_bytes", Setting::Number(self.max_cat_bytes)),
            ("max_map_keys", Setting::Number(self.max_map_keys)),
            ("max_probes", Setting::Number(self.max_probes)),
            ("max_strlen", Setting::Number(self.max_strlen)),
            ("missing_probes", text(self.missing_probes.name())),
            ("on_stack_limit", Setting::Number(self.on_stack_limit)),
            ("perf_rb_pages", Setting::Number(self.perf_rb_pages)),
            (
                "print_maps_on_exit",
                Setting::Truth(self.print_maps_on_exit),
            ),
            ("show_debug_info", Setting::Truth(self.show_debug_info)),
            ("stack_mode", text(self.stack_mode.name())),
            ("str_trunc_trailer", text(&self.str_trunc_trailer)),
        ]
    }
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Setting {
    Number(u64),
    Truth(bool),
    Text(String),
}

/// Puts the record of all settings in where a script says `config`.
pub(crate) fn put_in(script: &mut Script, config: &Config) {
    let mut next_id = script.exprs;
    let mut enter = |expr: &mut Expr| {
        let is_it = match &expr.kind {
            ExprKind::Ident(name) => name == "config",
            ExprKind::Call(call) => call.name == "config" && call.args.is_empty(),
            _ => false,
        };
        if is_it {
            let fields = config.entries().into_iter().map(|(name, setting)| {
                let kind = match setting {
                    Setting::Number(value) => ExprKind::Int(value),
                    Setting::Truth(value) => ExprKind::Bool(value),
                    Setting::Text(text) => ExprKind::Str(text.into_bytes()),
                };
                let (id, span) = (next_id, expr.span);
                next_id += 1;
                (name.to_owned(), Expr { id, span, kind })
            });
            expr.kind = ExprKind::Record(fields.collect());
        }
        !is_it
    };
    visit::script(script, &mut enter);
    script.exprs = next_id;
}

fn invalid(key: &str, value: &str, allowed: &str) -> String {
    format!("Invalid value for {key}: '{value}'; it is one of: {allowed}")
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(invalid(key, value, "true, false")),
    }
}

fn number(key: &str, value: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let parsed: Option<u64> = value.parse().ok();
    parsed
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            format!(
                "Invalid value for {key}: '{value}'; it is a number from {} to {}",
                range.start(),
                range.end()
            )
        })
}
