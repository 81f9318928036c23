//! The pages of Valet's web console, and what they are dressed in.
//!
//! Everything here is a function from what is known to text: a page is made of a typed view, and nothing is asked, read or
//! decided. What others wrote is never markup: `maud` escapes it. Pages hold no script and no style of their own; both come
//! from [`asset`]s, whose names change with their bytes, so that they are kept for ever.

mod assets;
mod frame;
mod view;
mod words;

pub use assets::{Asset, asset};
pub use frame::{Frame, Section, page};
pub use view::buckets::{BucketRow, Buckets};
pub use view::explain::{ExplainView, Explanation, ToldCause};
pub use view::links::{LinkRow, LinkState, Links};
pub use view::notice::{Notice, notice};
pub use view::object::{ObjectView, Preview, ShareForm, ShareUnit, Shared};
pub use view::objects::{ObjectRow, Objects};
pub use view::sign_in::SignIn;
