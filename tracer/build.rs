//! Takes the kernel objects into the program. They are made by `cargo xtask build`; here it is only seen to
//! that they are there, and that they are those of the sources that are there.

#[path = "../xtask/src/stamp.rs"]
mod stamp;

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

fn main() {
    let workspace = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    for folder in stamp::SOURCES {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(folder).display()
        );
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let result = objects_folder(&out).and_then(|objects| {
        println!(
            "cargo::rerun-if-changed={}",
            objects.join("stamp").display()
        );
        check(&workspace, &objects)?;
        let module = module(&objects)
            .map_err(|error| format!("cannot read {}: {error}", objects.display()))?;
        fs::write(out.join("objects.rs"), module)
            .map_err(|error| format!("cannot write objects.rs: {error}"))
    });
    if let Err(reason) = result {
        println!("cargo::error={reason}: run `cargo xtask build`");
        std::process::exit(1);
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// The folder `bpf` of the target folder, which `OUT_DIR` lies in.
fn objects_folder(out: &Path) -> Result<PathBuf, String> {
    let folders = out.ancestors().map(|folder| folder.join("bpf"));
    let found = folders
        .into_iter()
        .find(|folder| folder.join("stamp").is_file());
    found.ok_or_else(|| {
        // Cargo looks at this again whenever it is asked to build, as long as it is not there.
        println!("cargo::rerun-if-changed=no-kernel-objects");
        "the kernel objects are missing".to_owned()
    })
}

fn check(workspace: &Path, objects: &Path) -> Result<(), String> {
    let made_from = fs::read_to_string(objects.join("stamp"));
    let sources = stamp::of_sources(workspace)
        .map_err(|error| format!("cannot read the kernel side: {error}"))?;
    match made_from {
        Ok(stamp) if stamp.trim() == sources => Ok(()),
        _ => Err("the kernel objects are out of date".to_owned()),
    }
}

/// A static for each object, named like it. The ELF parser wants them aligned to 8 bytes.
fn module(objects: &Path) -> io::Result<String> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(objects)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "o") {
            names.push(path);
        }
    }
    names.sort();
    let mut module = String::from("#[repr(C, align(8))]\nstruct Aligned<T: ?Sized>(T);\n");
    for path in names {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        let path = path.canonicalize()?;
        println!("cargo::rerun-if-changed={}", path.display());
        let _ = write!(
            module,
            "/// The kernel object of the same name.\npub static {name}: &[u8] = {{\n    \
             static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!({path:?}));\n    &OBJECT.0\n}};\n"
        );
    }
    Ok(module)
}
