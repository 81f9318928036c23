//! The principals that a policy names, one by one as they stand: two readings of the same policy, one
//! with names and one with ids, can be held against each other.

use serde_json::Value;

use crate::Policy;

impl Policy {
    /// Every text that stands under `AWS` in a `Principal` or `NotPrincipal`, in order, with
    /// repetitions; also a bare `*`.
    pub fn aws_principals(&self) -> Vec<String> {
        let mut found = Vec::new();
        // It parsed before.
        let document: Value = serde_json::from_str(self.text()).unwrap_or_default();
        let Some(statements) = document.get("Statement") else { return found };
        let statements = match statements.as_array() {
            Some(statements) => statements.as_slice(),
            None => std::slice::from_ref(statements),
        };
        for statement in statements {
            for element in ["Principal", "NotPrincipal"] {
                let Some(principal) = statement.get(element) else { continue };
                let names =
                    if principal.is_string() { Some(principal) } else { principal.get("AWS") };
                texts(names, &mut found);
            }
        }
        found
    }
}

fn texts(value: Option<&Value>, found: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) => found.push(text.clone()),
        Some(Value::Array(values)) => values.iter().for_each(|value| texts(Some(value), found)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_stand_in_the_same_places() {
        let ann = "arn:aws:iam::000000000000:user/ann";
        let policy = Policy::parse(&format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":["{ann}","000000000000"]}},"Action":"s3:*","Resource":"*",
                 "Condition":{{"StringEquals":{{"aws:PrincipalArn":"{ann}"}}}}}},
                {{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}]}}"#
        ))
        .unwrap();
        assert_eq!(policy.aws_principals(), [ann, "000000000000", "*"]);
        let id = "AIDA2222222222222222A";
        let bound = policy.bind(|name| (name == ann).then(|| id.to_owned())).unwrap();
        assert_eq!(bound.aws_principals(), [id, "000000000000", "*"]);
        assert!(bound.text().contains(ann), "in the condition it stays");
    }
}
