//! What to know before a policy is put in force, or a number is believed, in the visitor's language.

use super::Writer;
use citybrain_dispatcher::tune::Remark;

/// A remark in words.
pub fn remark(writer: &Writer, remark: &Remark) -> String {
    let language = writer.language;
    let short = |number: &f64| format!("{number:.1}");
    match remark {
        Remark::ClosesEveryCase { kind, before, days } => {
            let (kind, days) = (writer.kind(kind), short(days));
            language.fill("tuner.closes_every_case", &[("kind", &kind), ("before", before), ("days", &days)])
        }
        Remark::OpensThousands { kind, before, after, days } => {
            let (kind, days) = (writer.kind(kind), short(days));
            language.fill(
                "tuner.opens_thousands",
                &[("kind", &kind), ("before", before), ("after", after), ("days", &days)],
            )
        }
        Remark::OpensManyTimes { kind, before_per_day, after_per_day } => {
            let (kind, before, after) = (writer.kind(kind), short(before_per_day), short(after_per_day));
            language
                .fill("tuner.opens_many_times", &[("kind", &kind), ("before", &before), ("after", &after)])
        }
        Remark::OpensWhereNone { kind, after, days } => {
            let (kind, days) = (writer.kind(kind), short(days));
            language.fill("tuner.opens_where_none", &[("kind", &kind), ("after", after), ("days", &days)])
        }
        Remark::OpensNoCase { before } => language.fill("tuner.opens_no_case", &[("before", before)]),
        Remark::OpensOthers { before, after } => {
            language.fill("tuner.opens_others", &[("before", before), ("after", after)])
        }
        Remark::NothingKnown => language.t("tuner.empty").to_owned(),
        Remark::ShortLog { hours } => language.fill("tuner.short_log", &[("hours", &short(hours))]),
        Remark::Gaps { gaps, covered_percent } => {
            language.fill("tuner.gaps", &[("n", gaps), ("percent", &short(covered_percent))])
        }
        Remark::TornFiles { files } => language.fill("tuner.torn_files", &[("n", files)]),
        Remark::LostVerdicts { verdicts } => language.fill("tuner.lost_verdicts", &[("n", verdicts)]),
        Remark::MissedUnknown { events } => language.fill("tuner.missed_unknown", &[("n", events)]),
        Remark::Misfit { problem } => language.fill("tuner.misfit", &[("problem", problem)]),
    }
}
