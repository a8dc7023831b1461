// SPDX-License-Identifier: GPL-2.0-or-later
//! What an answer comes to, or that there is none: the record is told, and decides
//! where the answer alone does not.

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::judge_client::{Judge, not_judged};
use btf_guard_protocol::plan::{Answer, Plan};
use btf_guard_protocol::record_client;

use crate::answer::{ReturnCode, follow, stops};
use crate::audit::{client, complain, who};
use crate::host::Host;
use crate::output::Reporter;
use crate::state::JudgedPlan;

/// Does what the answer to a plan says, in the mode that was asked for.
pub(crate) fn settle(
    reporter: &mut Reporter<'_>,
    judge: &Judge,
    mode: Option<Mode>,
    judged: &mut JudgedPlan,
) -> ReturnCode {
    let JudgedPlan { plan, answer, .. } = judged;
    match answer {
        Ok(answer) => answered(reporter, judge, mode, plan, answer),
        Err(why) => unanswered(reporter, judge, mode, plan, why),
    }
}

/// What holds for one transaction is used up by the real run alone: of dnf, a test
/// run that is stopped is all there will be. A test run that goes on is not written
/// down: the real run will be.
fn answered(
    reporter: &mut Reporter<'_>,
    judge: &Judge,
    mode: Option<Mode>,
    plan: &Plan,
    answer: &mut Answer,
) -> ReturnCode {
    let mut recorded = Ok(());
    if !plan.test || stops(mode, answer.decision) {
        let is_last = !plan.test || Host::of_this_process() != Host::Other;
        recorded = record_client::settle(judge, client(), plan, answer, who(), is_last);
    }
    let code = follow(reporter, mode, answer.decision, &answer.messages);
    complain(reporter, recorded);
    code
}

/// It goes on where the record fails too, and a failure of the judge is one line.
fn unanswered(
    reporter: &mut Reporter<'_>,
    judge: &Judge,
    mode: Option<Mode>,
    plan: &Plan,
    why: &str,
) -> ReturnCode {
    let why = why.to_owned();
    match record_client::settle_without_answer(
        judge,
        client(),
        plan,
        why.clone(),
        who(),
        !plan.test,
    ) {
        Ok(reply) => follow(reporter, mode, reply.decision, &reply.messages),
        Err(_) => {
            reporter.warn(not_judged(&why));
            ReturnCode::Proceed
        }
    }
}
