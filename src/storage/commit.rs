//! Groups.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct GroupId(pub u64);
pub struct Group {
    pub id: GroupId,
    pub record: Vec<u8>,
    pub count: u32,
}
