//! What a build can do without (the features of this crate). The types of a part that was left out have no values: so the compiler
//! drops every arm that would have one at hand, and with it whatever only such arms call. What reads bytes refuses the kinds of
//! containers that are not there; nothing else asks.
//!
//! What it is not: another way of merging. Whatever is here is the same code in each build.

#[cfg(not(all(feature = "text", feature = "nodes", feature = "patches")))]
pub use absent::Absent;

/// Is there text?
pub const TEXT: bool = cfg!(feature = "text");
/// Are there trees and graphs?
pub const NODES: bool = cfg!(feature = "nodes");
/// Are there undo stacks?
pub const UNDO: bool = cfg!(feature = "undo");

macro_rules! part {
    ($feature:literal, $type:ident, $make:ident, $own:ident) => {
        /// A `T` where the build has this part, else what has no values.
        #[cfg(feature = $feature)]
        pub type $type<T> = T;
        /// A `T` where the build has this part, else what has no values.
        #[cfg(not(feature = $feature))]
        pub type $type<T> = Absent<T>;

        /// A value of this part, if the build has it.
        #[cfg(feature = $feature)]
        #[inline(always)]
        pub fn $make<T>(make: impl FnOnce() -> T) -> Option<$type<T>> {
            Some(make())
        }
        /// A value of this part, if the build has it.
        #[cfg(not(feature = $feature))]
        #[inline(always)]
        pub fn $make<T>(_: impl FnOnce() -> T) -> Option<$type<T>> {
            None
        }

        /// What it is, to keep.
        #[inline(always)]
        pub fn $own<T>(it: $type<T>) -> T {
            #[cfg(feature = $feature)]
            return it;
            #[cfg(not(feature = $feature))]
            return it.own();
        }
    };
}

/// What is kept for undo stacks. A build without them has it empty for good, so there is never anything to drop.
#[cfg(feature = "undo")]
pub type OfUndo<T> = T;
/// What is kept for undo stacks. A build without them has it empty for good, so there is never anything to drop.
#[cfg(not(feature = "undo"))]
pub type OfUndo<T> = std::mem::ManuallyDrop<T>;

part!("text", OfText, text, own_text);
part!("nodes", OfNodes, nodes, own_nodes);
part!("patches", OfPatches, patches, own_patches);

#[cfg(not(all(feature = "text", feature = "nodes", feature = "patches")))]
mod absent {
    use std::convert::Infallible;
    use std::fmt;
    use std::marker::PhantomData;
    use std::ops::{Deref, DerefMut};

    /// In the place of a `T` that the build leaves out. It has no values.
    pub struct Absent<T>(Infallible, PhantomData<T>);

    impl<T> Absent<T> {
        /// There is nothing to keep.
        pub fn own(self) -> T {
            match self.0 {}
        }
    }

    impl<T> Deref for Absent<T> {
        type Target = T;

        fn deref(&self) -> &T {
            match self.0 {}
        }
    }

    impl<T> DerefMut for Absent<T> {
        fn deref_mut(&mut self) -> &mut T {
            match self.0 {}
        }
    }

    impl<T> Clone for Absent<T> {
        fn clone(&self) -> Self {
            match self.0 {}
        }
    }

    impl<T> fmt::Debug for Absent<T> {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {}
        }
    }
}
