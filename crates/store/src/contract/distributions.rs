//! The resources of distributions: written together or not at all, over what was seen.

use super::*;

fn resource(id: &str, kind: ResourceKind, document: &str) -> Arc<DistributionResource> {
    Arc::new(DistributionResource {
        id: id.to_owned(),
        account: account(),
        kind,
        etag: "ETAG".to_owned(),
        created_at: at(1),
        changed_at: at(2),
        hosts: vec!["cdn.example.com".to_owned()],
        document: document.into(),
    })
}

fn put(resource: &Arc<DistributionResource>) -> (String, Option<Arc<DistributionResource>>) {
    (resource.id.clone(), Some(Arc::clone(resource)))
}

#[test]
fn resources_are_written_over_what_was_seen() {
    every_engine(|engine| async move {
        assert_eq!(engine.distribution_resources().await.unwrap(), (0, Vec::new()));
        let every_kind = ResourceKind::ALL.map(|kind| resource(kind.name(), kind, "first"));
        let writes = every_kind.iter().map(put).collect();
        let first = engine.write_distribution_resources(0, writes).await.unwrap().unwrap();
        let all = |(number, mut all): (u64, Vec<DistributionResource>)| {
            all.sort_by_key(|found| found.kind);
            (number, all)
        };
        let expected = every_kind.iter().map(|found| found.as_ref().clone()).collect::<Vec<_>>();
        let found = all(engine.distribution_resources().await.unwrap());
        assert_eq!(found, (first, expected));

        let changed = resource("public-key", ResourceKind::PublicKey, "second");
        let writes = || vec![put(&changed), ("key-group".to_owned(), None)];
        let unseen = engine.write_distribution_resources(0, writes()).await.unwrap();
        assert_eq!(unseen, None);
        assert_eq!(engine.distribution_resources().await.unwrap().0, first);
        let second = engine.write_distribution_resources(first, writes()).await.unwrap().unwrap();
        assert!(second > first);
        let (number, found) = all(engine.distribution_resources().await.unwrap());
        assert_eq!((number, found.len()), (second, ResourceKind::ALL.len() - 1));
        assert_eq!(&found[0], changed.as_ref());

        let changes = engine.changes_since(0, 10).await.unwrap();
        assert_eq!(changes, [Change { number: second, subject: ChangeSubject::Distributions }]);
    });
}

#[test]
fn an_account_with_a_distribution_is_not_removed() {
    every_engine(|engine| async move {
        let id = AccountId::parse("111111111111").unwrap();
        identities::accounts::create_account(&*engine, &id, "AKIR").await;
        let one = resource("E1", ResourceKind::Distribution, "one");
        let one = Arc::new(DistributionResource { account: id.clone(), ..one.as_ref().clone() });
        let number = engine.write_distribution_resources(0, vec![put(&one)]).await.unwrap();
        assert_eq!(engine.delete_account(&id).await.unwrap(), DeleteAccount::NotEmpty);
        let gone = vec![("E1".to_owned(), None)];
        engine.write_distribution_resources(number.unwrap(), gone).await.unwrap();
        assert_eq!(engine.delete_account(&id).await.unwrap(), DeleteAccount::Deleted);
    });
}
