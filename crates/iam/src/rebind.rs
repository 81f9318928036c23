//! Policies with other names for their principals: what names somebody by ARN is evaluated by the id
//! that never is given twice, so that whoever is deleted and made anew is somebody else.

use serde_json::Value;

use crate::{Policy, PolicyError};

impl Policy {
    /// Every text that stands under `AWS` in a `Principal` or `NotPrincipal`, in order, with
    /// repetitions; also a bare `*`.
    pub fn aws_principals(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Ok(mut document) = serde_json::from_str::<Value>(self.text()) {
            visit(&mut document, &mut |principal| found.push(principal.clone()));
        }
        found
    }

    /// The same policy with each of those texts replaced by what `rename` makes of it; `None`
    /// leaves it as it is. The order of members is lost.
    pub fn rebind(
        &self,
        mut rename: impl FnMut(&str) -> Option<String>,
    ) -> Result<Self, PolicyError> {
        let mut document: Value =
            serde_json::from_str(self.text()).map_err(|_| PolicyError::Json)?;
        visit(&mut document, &mut |principal| {
            if let Some(name) = rename(principal) {
                *principal = name;
            }
        });
        Self::parse(&document.to_string())
    }
}

fn visit(document: &mut Value, see: &mut impl FnMut(&mut String)) {
    each_principal(document, &mut |principal| {
        if principal.is_string() {
            each_text(principal, see);
        } else if let Some(names) = principal.get_mut("AWS") {
            each_text(names, see);
        }
    });
}

fn each_principal(document: &mut Value, see: &mut impl FnMut(&mut Value)) {
    let Some(statements) = document.get_mut("Statement") else { return };
    let statements = if statements.is_array() {
        statements.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default()
    } else {
        std::slice::from_mut(statements)
    };
    for statement in statements {
        for element in ["Principal", "NotPrincipal"] {
            if let Some(principal) = statement.get_mut(element) {
                see(principal);
            }
        }
    }
}

fn each_text(value: &mut Value, see: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_renamed_and_nothing_else() {
        let policy = Policy::parse(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Principal":{"AWS":["a","b"]},"Action":"s3:*","Resource":"*",
                 "Condition":{"StringEquals":{"aws:PrincipalArn":"a"}}},
                {"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}"#,
        )
        .unwrap();
        assert_eq!(policy.aws_principals(), ["a", "b", "*"]);
        let bound = policy.rebind(|name| (name == "a").then(|| "AIDA".to_owned())).unwrap();
        assert_eq!(bound.aws_principals(), ["AIDA", "b", "*"]);
        assert!(bound.text().contains(r#""aws:PrincipalArn":"a""#));
    }
}
