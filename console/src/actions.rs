//! The actions a case allows, as forms.

use crate::orders::Entered;
use crate::pages::Choice;
use crate::rows::Writer;
use citybrain_dispatcher::CaseView;
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::people::role::may_act;
use citybrain_types::{CaseAction, VoidReason};

/// How a field is filled in.
pub enum Input {
    /// A line of text.
    Line,
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// A moment, on the city's clock.
    Moment,
    /// One of these.
    One(Vec<Choice>),
    /// Any number of these.
    Any(Vec<Choice>),
}

/// A field of an action's form.
pub struct Field {
    /// Its name in the form.
    pub name: &'static str,
    /// What people call it.
    pub label: String,
    /// Whether it has to be filled in.
    pub required: bool,
    /// How it is filled in.
    pub input: Input,
    /// What is entered already.
    pub value: String,
}

/// An action that a case allows and its reader may take.
pub struct ActionForm {
    /// Its code.
    pub code: &'static str,
    /// What people call it.
    pub name: String,
    /// Whether a reason has to be given.
    pub reason: bool,
    /// What else it needs.
    pub fields: Vec<Field>,
    /// Whether it was sent and came back.
    pub open: bool,
    /// The name entered already.
    pub by: String,
    /// The reason entered already.
    pub given_reason: String,
}

/// The forms of what a case allows now and somebody may do, with what was entered in one of them.
pub fn forms(view: &CaseView, actor: &Actor, writer: &Writer, entered: Option<&Entered>) -> Vec<ActionForm> {
    let his = view.allowed.iter().filter(|action| may_act(actor, **action).is_ok());
    his.map(|action| form(*action, view, writer, entered)).collect()
}

fn form(action: CaseAction, view: &CaseView, writer: &Writer, entered: Option<&Entered>) -> ActionForm {
    let mine = entered.filter(|entered| entered.one("action") == Some(action.name()));
    // Who acts is the same whatever is done next.
    let by = entered.and_then(|entered| entered.one("by")).unwrap_or_default().to_owned();
    let reason = entered.and_then(|entered| entered.one("reason")).unwrap_or_default().to_owned();
    let mut fields = fields(action, view, writer);
    if let Some(mine) = mine {
        fields.iter_mut().for_each(|field| refill(field, mine));
    }
    ActionForm {
        code: action.name(),
        name: writer.language.name("case.action", action.name()),
        reason: needs_reason(action),
        fields,
        open: mine.is_some(),
        by,
        given_reason: reason,
    }
}

fn refill(field: &mut Field, entered: &Entered) {
    field.value = entered.one(field.name).unwrap_or_default().to_owned();
    if let Input::One(choices) | Input::Any(choices) = &mut field.input {
        for choice in choices {
            choice.chosen = entered.all(field.name).any(|code| code == choice.code);
        }
    }
}

const fn needs_reason(action: CaseAction) -> bool {
    matches!(
        action,
        CaseAction::Return
            | CaseAction::RejectReturn
            | CaseAction::Transfer
            | CaseAction::Suspend
            | CaseAction::Extend
            | CaseAction::Void
            | CaseAction::Close
            | CaseAction::Reopen
    )
}

fn fields(action: CaseAction, view: &CaseView, writer: &Writer) -> Vec<Field> {
    let language = writer.language;
    let field = |name, label: &str, required, input| Field {
        name,
        label: label.to_owned(),
        required,
        input,
        value: String::new(),
    };
    let chosen = if view.case.departments.len() == 1 { view.case.departments[0].as_str() } else { "" };
    let its_own = || {
        let ids = view.case.departments.iter().map(|id| id.as_str());
        ids.map(|id| Choice::new(id, &writer.department(id), chosen)).collect::<Vec<_>>()
    };
    let all = || writer.departments().map(|(id, name)| Choice::new(id, name, "")).collect::<Vec<_>>();
    match action {
        CaseAction::Accept | CaseAction::Start | CaseAction::Done | CaseAction::Return
            if !view.case.departments.is_empty() =>
        {
            vec![field("department", language.t("case.department"), false, Input::One(its_own()))]
        }
        CaseAction::Dispatch | CaseAction::ApproveReturn => {
            vec![field("departments", language.t("case.departments_or_routes"), false, Input::Any(all()))]
        }
        CaseAction::Transfer => vec![field("to", language.t("case.to_department"), true, Input::One(all()))],
        CaseAction::Link => vec![field("to", language.t("case.to_case"), true, Input::Line)],
        CaseAction::Suspend => vec![field("until", language.t("case.until"), false, Input::Moment)],
        CaseAction::Extend => {
            vec![field("minutes", language.t("case.minutes"), true, Input::Number(1, 43_200))]
        }
        CaseAction::Void => {
            let reason = |reason: &VoidReason| {
                Choice::new(reason.name(), &language.name("case.void", reason.name()), "false_alarm")
            };
            let reasons = VoidReason::ALL.iter().map(reason).collect();
            vec![field("because", language.t("case.because"), true, Input::One(reasons))]
        }
        CaseAction::Rate => vec![field("stars", language.t("case.stars"), true, Input::Number(1, 5))],
        _ => Vec::new(),
    }
}
