//! What an operator is told who asks for a renewal that is not due.

use sidegate::ident::Name;
use sidegate::manager::{Asking, NotRenewed};

use super::world::{DAY, Fault, Run, World, issued, start, wish};

async fn not_due(run: &Run) -> String {
    let name = Name::parse("example.com").expect("a name");
    match run.commands.renew(name, Asking::Due).await {
        Err(error @ NotRenewed::NotDue(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn force_is_offered_against_all_but_a_limit() {
    let mut world = World::new();
    let allowed = start() + DAY;
    world.script([Fault::Spent(allowed), Fault::Unreachable, Fault::Refused]);
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(|row| row.next_at == Some(allowed)).await;
    let told = not_due(&run).await;
    assert!(told.starts_with("not due: a limit,") && !told.contains("--force"), "{told}");

    for what in ["after a failure", "after a refusal"] {
        let last = run.status.rows()[0].next_at.expect("a moment");
        world.hand.set(last);
        world.order().await;
        run.until(|row| row.next_at.is_some_and(|at| at > last)).await;
        let told = not_due(&run).await;
        let expected = format!("not due: {what} the next attempt is to be made at");
        assert!(told.starts_with(&expected) && told.ends_with("; --force does it all the same"), "{told}");
    }

    world.hand.set(run.status.rows()[0].next_at.expect("a moment"));
    world.order().await;
    run.until(issued).await;
    let told = not_due(&run).await;
    assert!(
        told.starts_with("not due: the certificate is to be renewed at") && told.contains("--force"),
        "{told}"
    );
    run.stop().await;
}
