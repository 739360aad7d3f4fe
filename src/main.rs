//! The sidegate binary.

use std::process::ExitCode;

use sidegate::cli;
use sidegate::config::Env;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(command) => cli::act(command, &Env::of_this_process()),
        Err(instead) => {
            if instead.code == 0 {
                print!("{}", instead.text);
            } else {
                eprint!("{}", instead.text);
            }
            ExitCode::from(instead.code)
        }
    }
}
