//! What a document of the control API may hold, as a table. A document is checked against it and brought into its full
//! form: in the order of the table, and with what is understood where nothing is said. What a table does not have, or has
//! with other values, this server cannot do: it is refused, and never looked over.

use super::error::{ControlCode, ControlError};
use crate::xml::Element;

/// What an element holds.
pub(crate) enum Shape {
    /// Text of at most so many bytes.
    Text(usize),
    /// `true` or `false`.
    Flag,
    /// A whole number up to this one.
    Number(u64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, because this server can do nothing else. Otherwise a message says what to do.
    Only(&'static [&'static str], &'static str),
    /// Elements, each once.
    Struct(&'static [Field]),
    /// `Quantity` and `Items`, and perhaps more.
    List(&'static List),
    /// `Items` alone.
    Plain(&'static str, &'static Shape, usize),
}

/// A list: what its items are called and hold, and how many there may be.
pub(crate) struct List {
    pub(crate) item: &'static str,
    pub(crate) of: Shape,
    pub(crate) most: usize,
    /// The refusal of a list that is longer.
    pub(crate) too_many: ControlCode,
    /// What to do instead where `most` is none.
    pub(crate) instead: &'static str,
    pub(crate) beside: &'static [Field],
}

impl List {
    /// Texts of at most 256 bytes.
    pub(crate) const fn texts(item: &'static str, most: usize) -> Self {
        Self::of(item, Shape::Text(256), most)
    }

    pub(crate) const fn of(item: &'static str, of: Shape, most: usize) -> Self {
        let too_many = ControlCode::InvalidArgument;
        Self { item, of, most, too_many, instead: "", beside: &[] }
    }

    /// A list that must be empty.
    pub(crate) const fn none(item: &'static str, instead: &'static str) -> Self {
        Self { instead, ..Self::of(item, Shape::Text(0), 0) }
    }
}

/// An element of a document.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) need: Need,
}

/// What is understood where an element is missing.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Nothing: it must be there.
    Required,
    /// It is not there.
    Optional,
    /// It has this text.
    Is(&'static str),
    /// It is there, and all that it holds is missing.
    Empty,
}

impl Field {
    pub(crate) const fn required(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, need: Need::Required }
    }

    pub(crate) const fn optional(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, need: Need::Optional }
    }

    pub(crate) const fn is(name: &'static str, shape: Shape, text: &'static str) -> Self {
        Self { name, shape, need: Need::Is(text) }
    }

    pub(crate) const fn empty(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, need: Need::Empty }
    }
}

/// The refusal of a document that is not of its shape, in the words of the service.
fn constraint(path: &str, value: &str, constraint: &str) -> ControlError {
    let value: String = value.chars().take(100).collect();
    ControlError::with_message(
        ControlCode::MalformedXML,
        format!(
            "1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {constraint}"
        ),
    )
}

/// The document in its full form, or why it is refused.
pub(crate) fn check(document: &Element, fields: &[Field]) -> Result<Element, ControlError> {
    structure(document, fields, &document.name)
}

fn structure(element: &Element, fields: &[Field], path: &str) -> Result<Element, ControlError> {
    no_text(element, path)?;
    let known = |name: &str| fields.iter().any(|field| field.name == name);
    known_once(element, known, path)?;
    Ok(Element::of(&element.name, fields_of(element, fields, path)?))
}

fn known_once(
    element: &Element,
    known: impl Fn(&str) -> bool,
    path: &str,
) -> Result<(), ControlError> {
    for (place, child) in element.children.iter().enumerate() {
        let before = element.children.iter().take(place);
        if before.into_iter().any(|other| other.name == child.name) {
            return Err(constraint(path, &child.name, "Member must be there once"));
        }
        if !known(&child.name) {
            let name = &child.name;
            let message = format!("{path} has no {name} here: leave {name} out.");
            return Err(ControlError::invalid(message));
        }
    }
    Ok(())
}

fn fields_of(
    element: &Element,
    fields: &[Field],
    path: &str,
) -> Result<Vec<Element>, ControlError> {
    let mut full = Vec::new();
    for Field { name, shape, need } in fields {
        let path = format!("{path}.{name}");
        let found = element.child(name);
        match (found, need) {
            (Some(found), _) => full.push(shaped(found, shape, &path)?),
            (None, Need::Required) => {
                return Err(constraint(&path, "null", "Member must not be null"));
            }
            (None, Need::Optional) => {}
            (None, Need::Is(text)) => full.push(Element::of_text(name, *text)),
            (None, Need::Empty) => {
                full.push(shaped(&Element::of(name, Vec::new()), shape, &path)?);
            }
        }
    }
    Ok(full)
}

fn shaped(element: &Element, shape: &Shape, path: &str) -> Result<Element, ControlError> {
    let (name, text) = (element.name.as_str(), element.text.as_str());
    match shape {
        Shape::Struct(fields) => return structure(element, fields, path),
        Shape::List(list) => return listed(element, list, path),
        Shape::Plain(item, of, most) => {
            no_text(element, path)?;
            let wrapped = Element::of(name, vec![element.clone()]);
            return items(&wrapped, (item, of), *most, path);
        }
        Shape::Text(_) | Shape::Flag | Shape::Number(_) | Shape::OneOf(_) | Shape::Only(..) => {}
    }
    if !element.children.is_empty() {
        return Err(constraint(path, "element", "Member must be a text"));
    }
    // Blanks around a number or a word mean nothing; in a text they may.
    let word = text.trim_ascii();
    let fits = match shape {
        Shape::Text(most) => {
            if text.len() > *most
                || text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace())
            {
                let rule = format!("Member must have length less than or equal to {most}");
                return Err(constraint(path, text, &rule));
            }
            return Ok(Element::of_text(name, text));
        }
        Shape::Flag => matches!(word, "true" | "false"),
        Shape::Number(most) => word.parse::<u64>().is_ok_and(|number| number <= *most),
        Shape::OneOf(texts) => texts.contains(&word),
        Shape::Only(texts, instead) => {
            if !texts.contains(&word) {
                return Err(ControlError::invalid(*instead));
            }
            true
        }
        Shape::Struct(_) | Shape::List(_) | Shape::Plain(..) => false,
    };
    if fits {
        return Ok(Element::of_text(name, word));
    }
    let rule = match shape {
        Shape::OneOf(texts) => {
            format!("Member must satisfy enum value set: [{}]", texts.join(", "))
        }
        Shape::Number(most) => format!("Member must be a whole number up to {most}"),
        Shape::Text(_)
        | Shape::Flag
        | Shape::Only(..)
        | Shape::Struct(_)
        | Shape::List(_)
        | Shape::Plain(..) => "Member must be true or false".to_owned(),
    };
    Err(constraint(path, word, &rule))
}

fn no_text(element: &Element, path: &str) -> Result<(), ControlError> {
    let blank = element.text.trim_ascii().is_empty();
    if blank { Ok(()) } else { Err(constraint(path, "text", "Member must hold elements")) }
}

fn listed(element: &Element, list: &List, path: &str) -> Result<Element, ControlError> {
    let List { item, of, most, too_many, instead, beside } = list;
    no_text(element, path)?;
    let known = |name: &str| {
        matches!(name, "Quantity" | "Items") || beside.iter().any(|field| field.name == name)
    };
    known_once(element, known, path)?;
    let quantity = element.child("Quantity").map(|quantity| quantity.text.trim_ascii());
    let count = element.child("Items").map_or(0, |items| items.children.len());
    let told = match quantity {
        None => Ok(count),
        Some(text) => text.parse::<usize>(),
    };
    let told = told.map_err(|_| constraint(path, "Quantity", "Member must be a whole number"))?;
    if told != count {
        return Err(ControlError::new(ControlCode::InconsistentQuantities));
    }
    if count > *most {
        return Err(match *instead {
            "" if *too_many == ControlCode::InvalidArgument => {
                ControlError::invalid(format!("{path} has more than {most} items."))
            }
            "" => ControlError::new(*too_many),
            instead => ControlError::invalid(instead),
        });
    }
    let mut full = fields_of(element, beside, path)?;
    full.push(Element::of_text("Quantity", count.to_string()));
    if count > 0 {
        full.push(items(element, (item, of), *most, path)?);
    }
    Ok(Element::of(&element.name, full))
}

fn items(
    element: &Element,
    (item, of): (&str, &Shape),
    most: usize,
    path: &str,
) -> Result<Element, ControlError> {
    let given = element.child("Items").map_or(&[][..], |items| &items.children);
    if given.len() > most {
        return Err(ControlError::invalid(format!("{path} has more than {most} items.")));
    }
    let checked = given.iter().map(|given| {
        if given.name == item {
            shaped(given, of, &format!("{path}.{item}"))
        } else {
            Err(constraint(path, &given.name, &format!("Member must be a {item}")))
        }
    });
    Ok(Element::of("Items", checked.collect::<Result<_, _>>()?))
}
