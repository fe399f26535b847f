#[derive(clap::Args)]
pub struct Options {}
pub fn run() -> anyhow::Result<()> {
    Ok(())
}
