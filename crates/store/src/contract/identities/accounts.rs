//! Accounts, and the keys of their roots.

use super::*;

fn new_account(id: &AccountId, name: &str) -> Account {
    let (name, email) = (name.to_owned(), Some(format!("{name}@example.com")));
    Account { id: id.clone(), name, email, created_at: at(2) }
}

pub(crate) async fn create_account(
    engine: &impl Metadata,
    id: &AccountId,
    key: &str,
) -> CreateAccount {
    engine.create_account(new_account(id, "name"), root_key(id, key)).await.unwrap()
}

#[test]
fn accounts_are_made_once_and_removed_when_they_have_nothing() {
    every_engine(|engine| async move {
        assert_eq!(engine.account(&other()).await.unwrap(), None);
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::NotFound);
        let made = create_account(&*engine, &other(), "AKIR").await;
        let CreateAccount::Created { account: made, root } = made else { panic!("{made:?}") };
        assert_eq!((&made, root.id.as_str()), (&new_account(&other(), "name"), "AKIR"));
        assert_eq!(engine.account(&other()).await.unwrap(), Some(made));
        assert_eq!(engine.access_key("AKIR").await.unwrap().unwrap().account, other());
        let keys = engine.directory(&other()).await.unwrap();
        assert_eq!(keys.keys().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["AKIR"]);

        let again = create_account(&*engine, &other(), "AKIS").await;
        assert!(matches!(again, CreateAccount::AlreadyExists));
        let third = AccountId::parse("222222222222").unwrap();
        let taken = create_account(&*engine, &third, "AKIR").await;
        assert!(matches!(taken, CreateAccount::KeyExists));
        assert_eq!(engine.account(&third).await.unwrap(), None);

        // One that owns something is taken, though nobody recorded it: the first one is not.
        engine.create_bucket(new_bucket("first"), at(3)).await.unwrap();
        let first = create_account(&*engine, &account(), "AKIT").await;
        assert!(matches!(first, CreateAccount::AlreadyExists));

        let bucket = NewBucket { owner: other(), ..new_bucket("theirs") };
        let made = engine.create_bucket(bucket, at(3)).await.unwrap();
        let CreateBucket::Created(made) = made else { panic!("{made:?}") };
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::NotEmpty);
        engine.delete_bucket(&made.reference(), at(4)).await.unwrap();
        let make = |edit: &mut DirectoryEdit| edit.create_group("Staff", "/").map(drop);
        change(&*engine, &other(), make).await.unwrap();
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::NotEmpty);
        change(&*engine, &other(), |edit| edit.delete_group("Staff")).await.unwrap();
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::Deleted);
        assert!(engine.access_key("AKIR").await.unwrap().is_none());
        assert!(engine.directory(&other()).await.unwrap().keys().next().is_none());
        let made = create_account(&*engine, &other(), "AKIR").await;
        assert!(matches!(made, CreateAccount::Created { .. }));
    });
}

#[test]
fn the_key_of_a_root_is_renewed() {
    every_engine(|engine| async move {
        let renew = |key: &'static str| engine.renew_root_key(root_key(&other(), key));
        assert!(matches!(renew("AKIS").await.unwrap(), RenewRootKey::NotFound));
        let first = engine.put_access_key(root_key(&account(), "AKIA"));
        first.await.unwrap();
        create_account(&*engine, &other(), "AKIR").await;
        // Neither that of somebody else nor the one it has.
        for taken in ["AKIA", "AKIR"] {
            assert!(matches!(renew(taken).await.unwrap(), RenewRootKey::KeyExists));
        }
        let renewed = renew("AKIS").await.unwrap();
        let RenewRootKey::Renewed { account, root } = renewed else { panic!("{renewed:?}") };
        assert_eq!((account, root.id.as_str()), (new_account(&other(), "name"), "AKIS"));
        assert!(engine.access_key("AKIR").await.unwrap().is_none());
        assert_eq!(engine.access_key("AKIS").await.unwrap().unwrap().account, other());
        assert!(engine.access_key("AKIA").await.unwrap().is_some());
        let keys = engine.directory(&other()).await.unwrap();
        assert_eq!(keys.keys().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["AKIS"]);
    });
}

#[test]
fn accounts_are_listed_by_id() {
    every_engine(|engine| async move {
        let id = |n: u64| AccountId::parse(&format!("{n:012}")).unwrap();
        for n in [3, 1, 2] {
            create_account(&*engine, &id(n), &format!("AKI{n}")).await;
        }
        let rows = [
            (None, 9, vec![1, 2, 3], None),
            (None, 2, vec![1, 2], Some(2)),
            (Some(2), 2, vec![3], None),
            (Some(3), 2, vec![], None),
        ];
        for (after, limit, expected, next) in rows {
            let page = engine.accounts(after.map(id), limit).await.unwrap();
            let ids = page.accounts.into_iter().map(|account| account.id).collect::<Vec<_>>();
            assert_eq!(ids, expected.into_iter().map(id).collect::<Vec<_>>());
            assert_eq!(page.next, next.map(id));
        }
    });
}
