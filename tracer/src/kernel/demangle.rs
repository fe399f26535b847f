//! Names of functions as they are written in C++ and Rust, out of those that linkers see.

use crate::glob::Glob;

/// A pattern of names as they are written.
pub struct WrittenName {
    /// Without blanks, of which compilers put different numbers.
    pattern: Glob,
}

impl WrittenName {
    /// `geo::area(int, int)`, `geo::area` for all of its overloads, `geo::*`.
    pub fn new(text: &str) -> Self {
        Self {
            pattern: Glob::new(&without_blanks(text)),
        }
    }

    /// True where a symbol is called so: with its parameters, or without.
    pub fn matches(&self, symbol: &str) -> bool {
        written(symbol)
            .iter()
            .any(|name| self.pattern.matches(without_blanks(name).as_bytes()))
    }
}

/// True where a name is one as it is written, not as linkers see it.
pub fn is_written(name: &str) -> bool {
    name.contains("::") || name.contains('(')
}

/// What a symbol is called: nothing for one that was not made from another name.
fn written(symbol: &str) -> Vec<String> {
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        // Without the hash that tells builds apart.
        return vec![format!("{name:#}")];
    }
    if !symbol.starts_with("_Z") {
        return Vec::new();
    }
    let Ok(parsed) = cpp_demangle::Symbol::new(symbol) else {
        return Vec::new();
    };
    let options = cpp_demangle::DemangleOptions::new;
    // Templates have what they return before their names.
    let forms = [
        options(),
        options().no_return_type(),
        options().no_return_type().no_params(),
    ];
    let names = forms.iter().map(|form| parsed.demangle_with_options(form));
    names.filter_map(Result::ok).collect()
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_cpp_have_overloads() {
        let matches = |pattern: &str, symbol: &str| WrittenName::new(pattern).matches(symbol);
        let (two, pointer) = ("_ZN3geo4areaEii", "_ZN3geo4areaEPK5point");
        for pattern in [
            "geo::area",
            "geo::area(int,int)",
            "geo::area(int, int)",
            "geo::*",
        ] {
            assert!(matches(pattern, two), "{pattern}");
        }
        assert!(matches("geo::area", pointer));
        assert!(matches("geo::area(point const*)", pointer));
        assert!(!matches("geo::area(int, int)", pointer));
        assert!(!matches("area", two));
        let template = "_ZN3geo5twiceIlEET_S1_";
        assert!(matches("geo::twice<long>", template));
        assert!(matches("geo::twice<long>(long)", template));
        assert!(matches("long geo::twice<long>(long)", template));
    }

    #[test]
    fn functions_of_rust_have_paths() {
        let legacy = "_ZN4core3ptr4read17h0123456789abcdefE";
        assert!(WrittenName::new("core::ptr::read").matches(legacy));
        assert!(WrittenName::new("e2e::main").matches("_RNvCs15kBYyAo9fc_3e2e4main"));
        assert!(!WrittenName::new("core::ptr").matches(legacy));
    }

    #[test]
    fn plain_symbols_are_not_written_otherwise() {
        assert!(!WrittenName::new("*").matches("main"));
        assert!(is_written("a::b") && is_written("f(int)") && !is_written("_ZN1a1bE"));
    }
}
