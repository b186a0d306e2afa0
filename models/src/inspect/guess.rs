//! What a graph's names and shapes say of its layout.
//!
//! Design decision: a guess is a list of rules, tried in order, each with the reason that is printed. What shapes cannot
//! tell (normalisation, whether a sigmoid is in the graph) is taken from the habit of that exporter and marked.

use crate::session::Port;

/// A head with the reasons for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    pub(super) kind: &'static str,
    /// Keys of `[head]` with their values in TOML; `true` for one that the graph does not tell.
    pub(super) keys: Vec<(&'static str, String, bool)>,
    /// Classes of the graph; `None` when it does not count them.
    pub(super) classes: Option<usize>,
    /// Class 0 is a background that is not told.
    pub(super) background: bool,
    /// How this exporter's pictures are fed.
    pub(super) habit: Habit,
    pub(super) why: String,
}

/// Normalisation and placement as an exporter is used to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Habit {
    pub(super) color: &'static str,
    pub(super) resize: &'static str,
    /// Lines of `[input]` with mean, std and scale.
    pub(super) numbers: &'static str,
}

const UNIT: &str = "scale = 0.00392156862745098";
const IMAGENET: &str =
    "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\nscale = 0.00392156862745098";
const CAFFE: &str = "mean = [103.53, 116.28, 123.675]\nstd = [57.375, 57.12, 58.395]\nscale = 1.0";
const YOLO: Habit = Habit { color: "rgb", resize: "letterbox", numbers: UNIT };
const YOLOX: Habit = Habit { color: "bgr", resize: "letterbox_top_left", numbers: "scale = 1.0" };
const DETR: Habit = Habit { color: "rgb", resize: "stretch", numbers: UNIT };
const NANODET: Habit = Habit { color: "bgr", resize: "stretch", numbers: CAFFE };
const TIMM: Habit = Habit { color: "rgb", resize: "stretch", numbers: IMAGENET };

/// What the rules look at.
pub(super) struct Graph<'g> {
    /// Inputs beside the picture.
    pub(super) extras: Vec<&'g Port>,
    pub(super) outputs: &'g [Port],
    /// Width and height of the picture's input.
    pub(super) size: (u32, u32),
    /// Classes named in the file.
    pub(super) names: Option<usize>,
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(names: &[&str]) -> String {
    format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "))
}

fn sizes(port: &Port) -> &[i64] {
    port.shape.as_deref().unwrap_or(&[])
}

fn rank(port: &Port) -> usize {
    sizes(port).len()
}

fn is_float(port: &Port) -> bool {
    port.dtype == "float32"
}

fn count(size: i64) -> Option<usize> {
    usize::try_from(size).ok()
}

impl Graph<'_> {
    fn cells(&self, strides: &[u32]) -> i64 {
        let cells = |stride: &u32| {
            i64::from(self.size.0.div_ceil(*stride)) * i64::from(self.size.1.div_ceil(*stride))
        };
        strides.iter().map(cells).sum()
    }

    fn called(&self, part: &str) -> Option<&Port> {
        self.outputs.iter().find(|port| port.name.to_lowercase().contains(part))
    }

    fn only(&self) -> Option<&Port> {
        match self.outputs {
            [port] => Some(port),
            _ => None,
        }
    }

    fn extra(&self, part: &str) -> Option<&Port> {
        self.extras.iter().find(|port| port.name.to_lowercase().contains(part)).copied()
    }

    /// The first rule that fits.
    pub(super) fn guess(&self) -> Option<Guess> {
        let rules: [fn(&Self) -> Option<Guess>; 11] = [
            Self::heatmap,
            Self::picodet_suppressed,
            Self::detr_deploy,
            Self::ssd_torchvision,
            Self::ssd_tensorflow,
            Self::detr_raw,
            Self::levels,
            Self::dense,
            Self::transposed,
            Self::mask,
            Self::whole_picture,
        ];
        rules.iter().find_map(|rule| rule(self))
    }

    fn heatmap(&self) -> Option<Guess> {
        let heat = self.outputs.iter().find(|port| rank(port) == 4 && port.name.contains("heat"))?;
        let score = self.outputs.iter().find(|port| rank(port) == 2 && sizes(port)[1] == sizes(heat)[1])?;
        Some(Guess {
            kind: "heatmap",
            keys: vec![
                ("heat_output", quoted(&heat.name), false),
                ("score_output", quoted(&score.name), false),
            ],
            classes: count(sizes(heat)[1]),
            background: false,
            habit: Habit { numbers: "scale = 1.0", ..YOLO },
            why: "a grid and a score for each label: this project's heat map".to_owned(),
        })
    }

    fn picodet_suppressed(&self) -> Option<Guess> {
        let rows = self.outputs.iter().find(|port| matches!(sizes(port), [-1, 6]) && is_float(port))?;
        let mut keys = vec![("nms_output", quoted(&rows.name), false)];
        for (key, part) in [("scale_input", "scale"), ("size_input", "shape")] {
            keys.extend(self.extra(part).map(|port| (key, quoted(&port.name), false)));
        }
        let why = "rows of six numbers without a batch: PaddleDetection with NMS in the graph".to_owned();
        Some(Guess { kind: "picodet", keys, classes: None, background: false, habit: TIMM, why })
    }

    fn detr_deploy(&self) -> Option<Guess> {
        let boxes = self.outputs.iter().find(|port| matches!(sizes(port), [_, _, 4]) && is_float(port))?;
        let labels = self.outputs.iter().find(|port| rank(port) == 2 && port.dtype == "int64")?;
        let scores = self.outputs.iter().find(|port| rank(port) == 2 && is_float(port))?;
        let mut keys = vec![
            ("labels_output", quoted(&labels.name), false),
            ("boxes_output", quoted(&boxes.name), false),
            ("scores_output", quoted(&scores.name), false),
        ];
        let size = self.extras.iter().find(|port| port.dtype == "int64" && rank(port) == 2);
        keys.extend(size.map(|port| ("size_input", quoted(&port.name), false)));
        let why =
            "labels, boxes and scores in a batch: the deploy export of RT-DETR, D-FINE or DEIM".to_owned();
        Some(Guess { kind: "detr", keys, classes: None, background: false, habit: DETR, why })
    }

    fn ssd_torchvision(&self) -> Option<Guess> {
        let boxes = self.outputs.iter().find(|port| matches!(sizes(port), [_, 4]) && is_float(port))?;
        let classes = self.outputs.iter().find(|port| rank(port) == 1 && port.dtype == "int64")?;
        let scores = self.outputs.iter().find(|port| rank(port) == 1 && is_float(port))?;
        Some(Guess {
            kind: "ssd",
            keys: vec![
                ("layout", quoted("torchvision"), false),
                ("boxes_output", quoted(&boxes.name), false),
                ("scores_output", quoted(&scores.name), false),
                ("classes_output", quoted(&classes.name), false),
            ],
            classes: None,
            background: true,
            habit: DETR,
            why: "boxes, scores and labels without a batch: a detector of torchvision".to_owned(),
        })
    }

    fn ssd_tensorflow(&self) -> Option<Guess> {
        let boxes = self.called("boxes").filter(|port| matches!(sizes(port), [_, _, 4]))?;
        let scores = self.called("scores").filter(|port| rank(port) == 2)?;
        let classes = self.called("classes").filter(|port| rank(port) == 2)?;
        let mut keys = vec![
            ("layout", quoted("tensorflow"), false),
            ("boxes_output", quoted(&boxes.name), false),
            ("scores_output", quoted(&scores.name), false),
            ("classes_output", quoted(&classes.name), false),
        ];
        keys.extend(self.called("num").map(|port| ("count_output", quoted(&port.name), false)));
        let why = "detection boxes, scores and classes: TensorFlow's object detection API".to_owned();
        Some(Guess { kind: "ssd", keys, classes: None, background: true, habit: DETR, why })
    }

    fn detr_raw(&self) -> Option<Guess> {
        let [a, b] = self.outputs else { return None };
        let is_boxes =
            |port: &Port| matches!(sizes(port), [_, _, 4]) && port.name.to_lowercase().contains("box");
        let (boxes, logits) = if is_boxes(a) { (a, b) } else { (b, a) };
        let [_, queries, classes] = *sizes(logits) else { return None };
        if !is_boxes(boxes) || sizes(boxes)[1] != queries {
            return None;
        }
        let keys = vec![
            ("logits_output", quoted(&logits.name), false),
            ("boxes_output", quoted(&boxes.name), false),
            ("scores", quoted("sigmoid"), true),
        ];
        let why =
            format!("{queries} queries with logits and a box: a descendant of DETR without post-processing");
        Some(Guess { kind: "detr", keys, classes: count(classes), background: false, habit: DETR, why })
    }

    /// A pair of outputs for each stride.
    fn levels(&self) -> Option<Guess> {
        let sets: [&[u32]; 2] = [&[8, 16, 32, 64], &[8, 16, 32]];
        let strides = sets.into_iter().find(|strides| self.outputs.len() == 2 * strides.len())?;
        let (mut scores, mut boxes) = (Vec::new(), Vec::new());
        for stride in strides {
            let mut own = self.outputs.iter().filter(|port| {
                matches!(*sizes(port), [_, cells, _] if cells == self.cells(&[*stride])) && is_float(port)
            });
            let (a, b) = (own.next()?, own.next()?);
            let is_boxes = |port: &Port| [32, 44, 64, 68].contains(&sizes(port)[2]);
            let (score, box_) = if is_boxes(a) && !is_boxes(b) { (b, a) } else { (a, b) };
            scores.push(score);
            boxes.push(box_);
        }
        let reg_max = sizes(boxes.first()?)[2] / 4 - 1;
        let names = |ports: &[&Port]| list(&ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>());
        let picodet = strides.len() == 4 && reg_max == 7;
        let mut keys = vec![
            ("score_outputs", names(&scores), false),
            ("box_outputs", names(&boxes), false),
            ("strides", format!("{strides:?}"), false),
            ("reg_max", reg_max.to_string(), false),
            ("scores", quoted("probabilities"), true),
        ];
        if !picodet {
            keys.push(("cell_point", quoted("middle"), true));
        }
        Some(Guess {
            kind: if picodet { "picodet" } else { "nanodet" },
            keys,
            classes: count(sizes(scores.first()?)[2]),
            background: false,
            habit: if picodet { TIMM } else { NANODET },
            why: format!("scores and distances for each of the strides {strides:?}"),
        })
    }

    /// One output with a row per place.
    fn dense(&self) -> Option<Guess> {
        let port = self.only().filter(|port| is_float(port))?;
        let [_, places, width] = *sizes(port) else { return None };
        let output = ("output", quoted(&port.name), false);
        let known = |others: i64| self.names.is_none_or(|names| names as i64 + others == width);
        let fine = self.cells(&[8, 16, 32]);
        let rows = |why: &str| format!("{places} rows of {width} numbers, {why}");
        for (strides, four) in [(&[8, 16, 32, 64][..], true), (&[8, 16, 32], false)] {
            let bins = [32, 44, 64, 68].into_iter().find(|bins| {
                width > *bins && (four || width - bins == 80 || self.names.is_some()) && known(*bins)
            });
            if let Some(bins) = bins.filter(|_| places == self.cells(strides)) {
                let keys = vec![
                    output,
                    ("strides", format!("{strides:?}"), false),
                    ("reg_max", (bins / 4 - 1).to_string(), true),
                    ("cell_point", quoted(if four { "corner" } else { "middle" }), true),
                    ("scores", quoted("probabilities"), true),
                ];
                let (classes, why) =
                    (count(width - bins), rows(&format!("a cell of the strides {strides:?} each")));
                return Some(Guess {
                    kind: "nanodet",
                    keys,
                    classes,
                    background: false,
                    habit: NANODET,
                    why,
                });
            }
        }
        let classes = count(width - 5);
        if places == fine && width > 5 && known(5) {
            let keys =
                vec![output, ("layout", quoted("raw"), true), ("strides", "[8, 16, 32]".to_owned(), false)];
            let why = rows("a cell of the strides 8, 16 and 32 each: YOLOX");
            return Some(Guess { kind: "yolox", keys, classes, background: false, habit: YOLOX, why });
        }
        if width == 6 && (places <= 1000 || self.names.is_some_and(|names| names != 1)) {
            let why = rows("box, score and class: an end-to-end export (YOLOv10, v26)");
            let keys = vec![output];
            return Some(Guess { kind: "yolov10", keys, classes: None, background: false, habit: YOLO, why });
        }
        (places == 3 * fine || (places > width && width > 5 && known(5))).then(|| {
            let why = rows("box, objectness and scores: YOLOv5 and its like");
            Guess { kind: "yolov5", keys: vec![output], classes, background: false, habit: YOLO, why }
        })
    }

    fn transposed(&self) -> Option<Guess> {
        let port = self.only().filter(|port| is_float(port))?;
        let [_, rows, places] = *sizes(port) else { return None };
        if rows <= 4 || (places != -1 && places < rows) {
            return None;
        }
        let keys = vec![("output", quoted(&port.name), false), ("boxes", quoted("middle"), true)];
        let why = format!("{rows} rows over {places} places: transposed, box and scores (YOLOv8, v9, v11)");
        Some(Guess { kind: "yolov8", keys, classes: count(rows - 4), background: false, habit: YOLO, why })
    }

    fn mask(&self) -> Option<Guess> {
        let port = self.only()?;
        let (layout, classes, sure) = match (sizes(port), is_float(port)) {
            (&[_, classes, _, _], true) => ("logits", count(classes), false),
            (&[_, _, _] | &[_, 1, _, _], false) => ("classes", None, true),
            _ => return None,
        };
        let keys = vec![("output", quoted(&port.name), false), ("layout", quoted(layout), !sure)];
        let why = "a class, or a number for each class, per pixel".to_owned();
        Some(Guess { kind: "segmentation", keys, classes, background: true, habit: TIMM, why })
    }

    fn whole_picture(&self) -> Option<Guess> {
        let port = self.only().filter(|port| is_float(port))?;
        let [_, classes] = *sizes(port) else { return None };
        let name = port.name.to_lowercase();
        let one = !(name.contains("score") || name.contains("label"));
        let scores = if name.contains("logit") || one { "logits" } else { "probabilities" };
        let keys = vec![("score_output", quoted(&port.name), false), ("scores", quoted(scores), true)];
        let why = format!("{classes} numbers for the whole picture");
        let kind = if one { "classifier" } else { "multilabel" };
        Some(Guess { kind, keys, classes: count(classes), background: false, habit: TIMM, why })
    }
}
