//! A program of the operator's that sets and removes records.

use std::time::Duration;

use super::Record;
use crate::host::{Call, Program};

/// How long it may run. Providers' interfaces are slow, but not slower than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program and its first arguments.
pub(super) struct Hook(Program);

impl Hook {
    pub(super) fn new(command: Vec<String>) -> Self {
        Self(Program::new(command, PATIENCE))
    }

    /// Runs it with what to do (`present` or `cleanup`), the record's name with its last dot, and the value, as
    /// arguments and as variables.
    ///
    /// # Errors
    ///
    /// What went wrong, with what the program said about it.
    pub(super) async fn run(&self, what: &str, record: &Record) -> Result<(), String> {
        let told = [what.to_owned(), format!("{}.", record.name), record.value.clone()];
        let names = ["SIDEGATE_HOOK", "SIDEGATE_NAME", "SIDEGATE_VALUE"].map(str::to_owned);
        let variables = names.into_iter().zip(told.clone()).collect();
        let call = Call { arguments: told.to_vec(), variables, ..Call::default() };
        self.0.run(call).await.map_err(|error| format!("{what}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::Fqdn;

    #[tokio::test]
    async fn it_is_told_as_arguments_and_as_variables() {
        let name = Fqdn::parse("_acme-challenge.example.com").expect("a name");
        let record = Record { name, value: "va-l_ue".to_owned() };
        // A hook that is a shell's script, which is the operator's business.
        let script = |text: &str| Hook::new(["/bin/sh", "-c", text, "hook"].map(str::to_owned).to_vec());
        let says = "echo \"$# $1 $2 $3; $SIDEGATE_HOOK $SIDEGATE_NAME $SIDEGATE_VALUE\" >&2; exit 3";
        let error = script(says).run("present", &record).await.expect_err("it fails");
        let all = "present _acme-challenge.example.com. va-l_ue";
        assert_eq!(error, format!("present: /bin/sh failed (exit status: 3): 3 {all}; {all}"));
        assert_eq!(script("test $1 = cleanup").run("cleanup", &record).await, Ok(()));
    }
}
