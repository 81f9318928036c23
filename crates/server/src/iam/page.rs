//! Lists in pages: as many entries as were asked for, but no more than fit on a page.

use crate::query::answer::QueryXml;
use crate::query::error::QueryError;
use crate::query::form::Form;

/// The most entries of a page, and their number where nobody chose one.
const ITEMS_MAX: usize = 1000;
const ITEMS_DEFAULT: usize = 100;
/// A page ends with the entry that brings it over this many bytes, whatever number was asked for. One entry has
/// 400 KB at most: a policy with five versions.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Which page of a list the call asks for.
#[derive(Clone, Debug)]
pub(super) struct Page {
    after: Option<String>,
    limit: usize,
}

impl Page {
    pub(super) fn read(form: &Form) -> Result<Self, QueryError> {
        let limit = match form.get("MaxItems") {
            None => ITEMS_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=ITEMS_MAX).contains(limit))
                .ok_or_else(|| {
                    QueryError::validation(format!(
                        "1 validation error detected: Value '{text}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and {ITEMS_MAX}"
                    ))
                })?,
        };
        Ok(Self { after: form.get("Marker").map(str::to_owned), limit })
    }

    /// Cuts one page out of sorted items; also returns the marker for the next. `name` is the key by which the
    /// items are sorted, `bytes` the length of an item in the answer.
    pub(super) fn cut<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
        bytes: impl Fn(&T) -> usize,
    ) -> (Vec<T>, Option<String>) {
        let after = |item: &T| self.after.as_ref().is_none_or(|after| name(item) > *after);
        let mut rest = items.into_iter().filter(after).peekable();
        let (mut page, mut taken) = (Vec::new(), 0_usize);
        while page.len() < self.limit && taken < PAGE_BYTES_MAX {
            let Some(item) = rest.next() else { break };
            taken = taken.saturating_add(bytes(&item));
            page.push(item);
        }
        let marker = page.last().map(&name).filter(|_| rest.peek().is_some());
        (page, marker)
    }

    /// Writes a page of names.
    pub(super) fn write_names<'n>(
        &self,
        xml: &mut QueryXml,
        list: &str,
        names: impl IntoIterator<Item = &'n String>,
    ) {
        let (page, marker) = self.cut(names, |name| (*name).clone(), |name| name.len());
        xml.texts(list, page.into_iter().map(String::as_str));
        write_end(xml, marker.as_deref());
    }

    /// Writes one page of a list, and the marker for the next.
    #[expect(clippy::too_many_arguments, reason = "what, under which name, in which order, how")]
    pub(super) fn write<T>(
        &self,
        xml: &mut QueryXml,
        list: &str,
        items: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
        mut write: impl FnMut(&mut QueryXml, T),
    ) {
        let after = |item: &T| self.after.as_ref().is_none_or(|after| name(item) > *after);
        let mut rest = items.into_iter().filter(after).peekable();
        let (mut count, mut last, end) = (0, None, xml.len().saturating_add(PAGE_BYTES_MAX));
        xml.element(list, |xml| {
            while count < self.limit && xml.len() < end {
                let Some(item) = rest.next() else { break };
                (count, last) = (count + 1, Some(name(&item)));
                xml.element("member", |xml| write(xml, item));
            }
        });
        let marker = last.filter(|_| rest.peek().is_some());
        write_end(xml, marker.as_deref());
    }
}

/// Writes whether the list goes on, and the marker for the next page.
pub(super) fn write_end(xml: &mut QueryXml, marker: Option<&str>) {
    xml.plain("IsTruncated", marker.is_some());
    xml.optional("Marker", marker);
}
