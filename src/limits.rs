//! Every upper bound that is not a setting, with its unit and its reason.

/// Bytes of keys and values after which an open record is committed at the next command boundary. DESIGN.md, "Records in
/// the WAL": replicas apply a record whole, and the loop appends it in one piece.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Entries that one scan reads from RocksDB on the loop (some 0.3 us each); beyond, a worker reads and the command waits.
pub const SCAN_ENTRIES_INLINE_MAX: usize = 4096;

/// Bytes read from one client in one turn.
pub const READ_BYTES_PER_TURN_MAX: usize = 64 * 1024;

/// Commands of one client executed in one turn; the rest of its pipeline waits for the next one.
pub const COMMANDS_PER_CLIENT_PER_TURN_MAX: usize = 1024;

/// Microseconds that one client's commands take of a turn, the last one excepted; others are served before it goes on.
pub const CLIENT_TURN_US_MAX: u64 = 2000;

/// Bytes of replies that one client's commands make in one turn, the last one excepted: they are sent, or found to be
/// above `client-output-buffer-limit`, before it goes on.
pub const CLIENT_TURN_OUTPUT_BYTES_MAX: usize = 1 << 20;

/// Bytes that one client's socket is offered in a turn: copying more into the kernel would hold up the others.
pub const WRITE_BYTES_PER_TURN_MAX: usize = 1 << 20;

/// Bytes of a bulk string from which on it is a piece of its own in its client's output, shared where that spares a copy.
/// Smaller ones are copied into one buffer, which is faster.
pub const SHARED_BULK_BYTES_MIN: usize = 64 << 10;

/// Bytes of values of [`SHARED_BULK_BYTES_MIN`] and more that one command takes out of RocksDB's memory on the loop; the others
/// are read for it by readers, so that nobody waits for the copying.
pub const LARGE_VALUE_BYTES_ON_LOOP_MAX: usize = 4 << 20;

/// Parked commands run again per turn after a release, so that everybody else is served in between.
pub const RELEASES_PER_TURN_MAX: usize = 128;

/// Clients who waited for a commit and are sent their replies in one turn (a `send` takes some 8 us), so that everybody else is
/// served in between.
pub const FREED_SENDS_PER_TURN_MAX: usize = 64;

/// Bytes of a host name. DNS allows 253, and the state file has room for a few of this length.
pub const HOST_BYTES_MAX: usize = 255;

/// Messages from helper threads taken per turn.
pub const MAILBOX_EVENTS_PER_TURN_MAX: usize = 1024;

/// Deleted or overwritten keys that one step of a scan passes by on the loop (some 0.3 us each); where there are more, of a set that
/// was popped nearly empty, say, a worker steps over them and the command waits.
pub const DELETED_KEYS_ON_LOOP_MAX: u64 = 4096;

/// Bytes of the writes kept for a range that a worker reads for a waiting command; beyond, the range is read again.
pub const WATCHED_BYTES_MAX: usize = 4 << 20;

/// Threads that read for commands whose keys are not in memory: as many reads are on their way to the disk at a time.
pub const COLD_READERS: usize = 4;

/// Keys that one message asks a reader for at most; a turn asks for more in several.
pub const COLD_KEYS_PER_MESSAGE_MAX: usize = 64;

/// Keys that one message asks for at least, if there are so many: a message and its answer cost two wake-ups.
pub const COLD_KEYS_PER_MESSAGE_MIN: usize = 4;

/// Keys that a reader looks up in one call.
pub const COLD_KEYS_PER_LOOKUP_MAX: usize = 16;

/// Microseconds after which a reader delivers the answers that it has, while it goes on for the others.
pub const COLD_ANSWER_DELAY_US_MAX: u64 = 500;

/// Keys that one evaluation of a command may ask readers for; what it needs beyond it asks for next time.
pub const COLD_KEYS_PER_COMMAND_MAX: usize = 1024;

/// Bytes of values that readers have brought for commands that have not finished yet. What is beyond is read and not held: its
/// command finds it in RocksDB's cache, or asks again.
pub const COLD_BYTES_MAX: usize = 64 << 20;

/// The same for commands that reply with these very values: the memory is then the reply's, which it takes anyhow, and
/// `client-output-buffer-limit` bounds it. What is beyond is read on the loop.
pub const COLD_REPLY_BYTES_MAX: usize = 2 << 30;

/// Entries, and bytes of them, that are read of a range that is not in memory before it is known how much of it is wanted.
pub const COLD_SCAN_ENTRIES_MAX: usize = 1024;
pub const COLD_SCAN_BYTES_MAX: usize = 1 << 20;

/// Times that a command may wait for a value that it has waited for already, because it was written, or not held, meanwhile;
/// then it reads the disk on the loop. Waiting for further values is progress, and counts otherwise.
pub const COLD_REPEATS_MAX: u32 = 2;

/// Times that a command may wait for cold keys in all; then it reads what it still lacks on the loop. Each time it asks for all that
/// it is known to need, so only a chain of keys, each found through the one before, gets here.
pub const COLD_ROUNDS_MAX: u32 = 16;

/// SCAN cursors kept at a time; Kvrocks keeps 16,384 as well.
pub const CURSORS_MAX: usize = 16 * 1024;

/// Elements that one HRANDFIELD, SRANDMEMBER or ZRANDMEMBER with a negative count may answer, repeats counted: a count needs
/// no data behind it, and redis-server runs out of memory on a large one.
pub const RANDOM_REPEATS_MAX: u64 = 1 << 20;

/// Bytes of one key: RocksDB and the sub-key layout take more, Redis's own bound is `proto-max-bulk-len`.
pub const COMMAND_NAME_BYTES_MAX: usize = 64;

/// Bytes of one batch taken from a primary. A transaction of `client-query-buffer-limit` (1 GiB) must fit with its keys;
/// memory is taken as bytes arrive, never by what a length line announces.
pub const RECEIVED_BATCH_BYTES_MAX: usize = 2 << 30;

/// Bytes of one line on a replication link, but for the list of a checkpoint's files.
pub const LINK_LINE_BYTES_MAX: usize = 4096;

/// Histories that a refused PSYNC names, and that are looked for in a log: so many terms back nodes that parted find where.
pub const ENDINGS_MAX: usize = 48;

/// Bytes of the line that lists a checkpoint's files: a million of them with names of a dozen characters.
pub const FILE_LIST_BYTES_MAX: usize = 16 << 20;

/// Bytes of one file's name in a checkpoint. RocksDB's own are below 30.
pub const FILE_NAME_BYTES_MAX: usize = 128;

/// Bytes that one file of a checkpoint may announce: far above any table, far below where sums overflow.
pub const COPIED_FILE_BYTES_MAX: u64 = 1 << 42;

/// Bytes of a published message's channel and payload together on a link between Stillpoints; as `proto-max-bulk-len`, with
/// room for the channel.
pub const LINK_MESSAGE_BYTES_MAX: usize = 1 << 30;

/// Nodes from a replica up to the primary at the top of its chain. Longer chains are refused, as loops are.
pub const CHAIN_NODES_MAX: usize = 16;

const _: () = assert!(LINK_MESSAGE_BYTES_MAX <= RECEIVED_BATCH_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX * 2 <= RECEIVED_BATCH_BYTES_MAX);
const _: () = assert!(COLD_BYTES_MAX <= COLD_REPLY_BYTES_MAX);
const _: () = assert!(SHARED_BULK_BYTES_MIN <= WRITE_BYTES_PER_TURN_MAX);
const _: () = assert!(READ_BYTES_PER_TURN_MAX <= RECORD_BYTES_MAX);

/// Bytes of records committed lately that are kept in memory for replicas.
pub const REPLICATION_RING_BYTES_MAX: usize = 64 << 20;

/// Bytes framed for one replica and not taken by its socket yet; the next record is framed below it.
pub const LINK_OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Bytes of a primary's batches that wait for the loop; above it the link is not read.
pub const RECEIVED_IN_FLIGHT_BYTES_MAX: u64 = 64 << 20;
