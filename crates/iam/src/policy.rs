//! A policy document, read once and compiled for evaluation.

use std::sync::Arc;

use crate::action::ActionPattern;
use crate::arn::ArnPattern;
use crate::condition::Condition;
use crate::json::Json;
use crate::principal::NamedPrincipal;

/// Bytes of a document that is read at all: the most that a `PolicyDocument` of IAM may have. Each
/// kind of policy has a lower limit of its own.
pub const POLICY_BYTES_MAX: usize = 131_072;

/// A policy document that was read whole: nothing in it is skipped. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Policy {
    text: Arc<str>,
    pub(crate) body: Arc<Body>,
}

/// What a document says.
#[derive(Debug)]
pub(crate) struct Body {
    /// `None`: it has no `Version`, and is read as 2008-10-17.
    pub(crate) version: Option<Version>,
    pub(crate) statements: Vec<Statement>,
}

/// Versions of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Without policy variables.
    V2008,
    V2012,
}

#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    /// `Principal` or `NotPrincipal`.
    pub(crate) principals: Option<Element<NamedPrincipal>>,
    /// `Action` or `NotAction`.
    pub(crate) actions: Element<ActionPattern>,
    /// `Resource` or `NotResource`.
    pub(crate) resources: Option<Element<ResourcePattern>>,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// An element or its complement, which applies to everything that it does not list.
#[derive(Debug)]
pub(crate) enum Element<T> {
    Only(Vec<T>),
    AllBut(Vec<T>),
}

impl<T> Element<T> {
    pub(crate) fn entries(&self) -> &[T] {
        match self {
            Self::Only(entries) | Self::AllBut(entries) => entries,
        }
    }
}

/// An entry of `Resource` or `NotResource`.
#[derive(Debug)]
pub(crate) struct ResourcePattern {
    pub(crate) text: Box<str>,
    pub(crate) arn: ArnPattern,
}

impl Policy {
    /// Reads a document, JSON as AWS spells it. What kind of policy it may serve as is asked
    /// afterwards.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        if !text.starts_with('{') {
            return Err(PolicyError::NotAnObject);
        }
        let Json::Object(members) = Json::parse(text)? else {
            return Err(PolicyError::NotAnObject);
        };
        Ok(Self { text: text.into(), body: Arc::new(Body::read(members)?) })
    }

    /// The document as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ARNs of the users and roles that the policy names as principals, each once. Whoever
    /// stores a policy must know them all: AWS refuses one that names nobody.
    pub fn principals(&self) -> Vec<String> {
        let named =
            self.body.statements.iter().filter_map(|statement| statement.principals.as_ref());
        let mut arns: Vec<_> =
            named.flat_map(Element::entries).filter_map(NamedPrincipal::entity_arn).collect();
        arns.sort_unstable();
        arns.dedup();
        arns
    }

    /// The policy with the ARNs of users and roles replaced by the unique ids that `id_of` knows for
    /// them, as AWS keeps it: who is deleted and made again under the same name is somebody else.
    /// An ARN without an id stays.
    pub fn bind(&self, mut id_of: impl FnMut(&str) -> Option<String>) -> Result<Self, PolicyError> {
        let mut document: serde_json::Value =
            serde_json::from_str(&self.text).map_err(|_| PolicyError::Json)?;
        let statements = match document.get_mut("Statement") {
            Some(serde_json::Value::Array(statements)) => statements.as_mut_slice(),
            Some(statement) => std::slice::from_mut(statement),
            None => &mut [],
        };
        for statement in statements {
            for element in ["Principal", "NotPrincipal"] {
                let entries = match statement.get_mut(element).and_then(|e| e.get_mut("AWS")) {
                    Some(serde_json::Value::Array(entries)) => entries.as_mut_slice(),
                    Some(entry) => std::slice::from_mut(entry),
                    None => &mut [],
                };
                for entry in entries {
                    let id = entry
                        .as_str()
                        .and_then(|text| NamedPrincipal::parse_aws(text).ok())
                        .and_then(|named| named.entity_arn())
                        .and_then(|arn| id_of(&arn));
                    if let Some(id) = id {
                        *entry = serde_json::Value::String(id);
                    }
                }
            }
        }
        Self::parse(&document.to_string())
    }
}

/// Why a document is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than [`POLICY_BYTES_MAX`].
    #[error("policy of {bytes} bytes is longer than {POLICY_BYTES_MAX}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It does not begin with `{`.
    #[error("policy is not a JSON object")]
    NotAnObject,
    /// It is not JSON, or nested deeper than a policy can be.
    #[error("policy is not JSON")]
    Json,
    /// A member stands twice in one object.
    #[error("member {0} is repeated")]
    Repeated(String),
    /// A member that the language does not have.
    #[error("member {0} is unknown")]
    Unknown(String),
    /// A member whose value is of the wrong JSON type.
    #[error("member {0} has a value of the wrong type")]
    WrongType(&'static str),
    /// A member that must be there.
    #[error("member {0} is missing")]
    Missing(&'static str),
    /// A list that must not be empty.
    #[error("member {0} is empty")]
    Empty(&'static str),
    /// An element and its complement in one statement.
    #[error("member {0} stands beside its complement")]
    Both(&'static str),
    /// A version of the language that does not exist.
    #[error("version {0} of the policy language does not exist")]
    Version(String),
    /// An effect other than `Allow` and `Deny`.
    #[error("effect {0} is neither Allow nor Deny")]
    Effect(String),
    /// A principal that can name nobody.
    #[error("principal {0} is invalid")]
    Principal(String),
    /// A condition operator that does not exist.
    #[error("condition operator {0} does not exist")]
    Operator(String),
    /// Two statements of one `Sid`.
    #[error("statement id {0} is repeated")]
    RepeatedSid(String),
}

impl Body {
    fn read(members: Vec<(String, Json)>) -> Result<Self, PolicyError> {
        let (mut version, mut statements) = (None, None);
        for (name, value) in members {
            match name.as_str() {
                "Version" => version = Some(Version::read(value)?),
                "Id" => {
                    text("Id", value)?;
                }
                "Statement" => statements = Some(value),
                _ => return Err(PolicyError::Unknown(name)),
            }
        }
        let statements = match statements.ok_or(PolicyError::Missing("Statement"))? {
            Json::Array(statements) => statements,
            statement @ Json::Object(_) => vec![statement],
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                return Err(PolicyError::WrongType("Statement"));
            }
        };
        if statements.is_empty() {
            return Err(PolicyError::Empty("Statement"));
        }
        let variables = version == Some(Version::V2012);
        let read = |statement| Statement::read(statement, variables);
        let statements = statements.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut sids = std::collections::HashSet::new();
        for sid in statements.iter().filter_map(|statement| statement.sid.as_deref()) {
            if !sid.is_empty() && !sids.insert(sid) {
                return Err(PolicyError::RepeatedSid(sid.to_owned()));
            }
        }
        Ok(Self { version, statements })
    }
}

impl Version {
    fn read(value: Json) -> Result<Self, PolicyError> {
        match text("Version", value)?.as_str() {
            "2008-10-17" => Ok(Self::V2008),
            "2012-10-17" => Ok(Self::V2012),
            other => Err(PolicyError::Version(other.to_owned())),
        }
    }
}

impl Statement {
    fn read(value: Json, variables: bool) -> Result<Self, PolicyError> {
        let Json::Object(members) = value else { return Err(PolicyError::WrongType("Statement")) };
        let (mut sid, mut effect, mut conditions) = (None, None, Vec::new());
        let (mut principals, mut actions, mut resources) = (None, None, None);
        let read_actions =
            |name, value| strings(name, value).map(|a| map(&a, ActionPattern::parse));
        let read_resources = |name, value| {
            strings(name, value).map(|r| map(&r, |text| ResourcePattern::parse(text, variables)))
        };
        for (name, value) in members {
            match name.as_str() {
                "Sid" => sid = Some(text("Sid", value)?),
                "Effect" => effect = Some(Effect::read(value)?),
                "Principal" => {
                    once(&mut principals, "Principal", Element::Only(read_principals(value)?))?;
                }
                "NotPrincipal" => {
                    once(&mut principals, "Principal", Element::AllBut(read_principals(value)?))?;
                }
                "Action" => {
                    once(&mut actions, "Action", Element::Only(read_actions("Action", value)?))?;
                }
                "NotAction" => {
                    once(&mut actions, "Action", Element::AllBut(read_actions("Action", value)?))?;
                }
                "Resource" => {
                    let entries = read_resources("Resource", value)?;
                    once(&mut resources, "Resource", Element::Only(entries))?;
                }
                "NotResource" => {
                    let entries = read_resources("Resource", value)?;
                    once(&mut resources, "Resource", Element::AllBut(entries))?;
                }
                "Condition" => conditions = Condition::read_all(value, variables)?,
                _ => return Err(PolicyError::Unknown(name)),
            }
        }
        let effect = effect.ok_or(PolicyError::Missing("Effect"))?;
        let actions = actions.ok_or(PolicyError::Missing("Action"))?;
        Ok(Self { sid, effect, principals, actions, resources, conditions })
    }
}

impl Effect {
    fn read(value: Json) -> Result<Self, PolicyError> {
        match text("Effect", value)?.as_str() {
            "Allow" => Ok(Self::Allow),
            "Deny" => Ok(Self::Deny),
            other => Err(PolicyError::Effect(other.to_owned())),
        }
    }
}

impl ResourcePattern {
    fn parse(text: &str, variables: bool) -> Self {
        Self { text: text.into(), arn: ArnPattern::parse(text, variables) }
    }
}

fn read_principals(value: Json) -> Result<Vec<NamedPrincipal>, PolicyError> {
    let members = match value {
        Json::String(text) if text == "*" => return Ok(vec![NamedPrincipal::Anyone]),
        Json::String(text) => return Err(PolicyError::Principal(text)),
        Json::Object(members) => members,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {
            return Err(PolicyError::WrongType("Principal"));
        }
    };
    let mut principals = Vec::new();
    for (kind, value) in members {
        let entries = strings("Principal", value)?;
        for entry in entries {
            principals.push(match kind.as_str() {
                "AWS" => NamedPrincipal::parse_aws(&entry)?,
                "Federated" => NamedPrincipal::Provider(entry.into()),
                "Service" => NamedPrincipal::Service(entry.into()),
                "CanonicalUser" => NamedPrincipal::CanonicalUser(entry.into()),
                _ => return Err(PolicyError::Principal(kind)),
            });
        }
    }
    if principals.is_empty() { Err(PolicyError::Empty("Principal")) } else { Ok(principals) }
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), PolicyError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(PolicyError::Both(name)),
    }
}

fn map<T>(texts: &[String], read: impl Fn(&str) -> T) -> Vec<T> {
    texts.iter().map(|text| read(text)).collect()
}

fn text(name: &'static str, value: Json) -> Result<String, PolicyError> {
    let Json::String(text) = value else { return Err(PolicyError::WrongType(name)) };
    Ok(text)
}

/// A string, or a list of strings of which there is at least one.
fn strings(name: &'static str, value: Json) -> Result<Vec<String>, PolicyError> {
    let values = match value {
        Json::String(text) => return Ok(vec![text]),
        Json::Array(values) => values,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
            return Err(PolicyError::WrongType(name));
        }
    };
    if values.is_empty() {
        return Err(PolicyError::Empty(name));
    }
    values.into_iter().map(|value| text(name, value)).collect()
}
