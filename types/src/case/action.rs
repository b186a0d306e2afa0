//! What can be done with a case, and where it comes from.

use super::named::named_states;
use serde::{Deserialize, Serialize};

named_states! {
    /// What people do with a case. Which of them a case allows depends on its state.
    CaseAction {
        /// 核实: look whether it is real.
        Verify = "verify",
        /// 立案: it is real; put it on file.
        File = "file",
        /// 派遣: hand it to departments.
        Dispatch = "dispatch",
        /// 接单: a department takes it.
        Accept = "accept",
        /// A department begins to work on it.
        Start = "start",
        /// A department says that it is done; now it is re-checked.
        Done = "done",
        /// 回退: a department refuses it; the district centre has to approve.
        Return = "return",
        /// The district centre approves the refusal and hands the case to others.
        ApproveReturn = "approve_return",
        /// The district centre does not: the department has to handle it.
        RejectReturn = "reject_return",
        /// 转办: hand it on to another department.
        Transfer = "transfer",
        /// 挂账: it cannot be handled now.
        Suspend = "suspend",
        /// Take a suspended case up again.
        Resume = "resume",
        /// 延期: more time.
        Extend = "extend",
        /// 并案: it is the same happening as another case.
        Link = "link",
        /// 作废: it is not a case.
        Void = "void",
        /// 结案: the re-check found nothing left.
        Close = "close",
        /// 返工: the re-check found it undone.
        Reopen = "reopen",
        /// How satisfied whoever told of it is.
        Rate = "rate",
    }
}

named_states! {
    /// Why a case is void.
    VoidReason {
        /// 误报: there is nothing.
        FalseAlarm = "false_alarm",
        /// 重复: there is a case of it already.
        Duplicate = "duplicate",
        /// 非责任: it is nothing this city's departments handle.
        NotResponsible = "not_responsible",
    }
}

named_states! {
    /// Who or what told of a case.
    #[derive(Default)]
    Source {
        /// A camera saw it.
        #[default]
        Camera = "camera",
        /// The hotline, 12345.
        Hotline = "hotline",
        /// A grid worker.
        GridWorker = "grid_worker",
        /// A resident, by an app or a web page.
        Resident = "resident",
        /// A sensor.
        Sensor = "sensor",
        /// Another system.
        System = "system",
    }
}
