//! Two nodes with a proxy before each, and the steps at which a switch between them is stopped.

use crate::common::nodes::{self, number, still_serves, wait_link_up};
use crate::common::proxy::{Proxy, Way};
use crate::common::server::info_field;
use crate::common::{Conn, Server, Setup, Value, wait_until};
use crate::data::{assert_same, write_all_types};
use crate::load::{Ended, Load};
use crate::{refuses_writes, state, wait_over, wait_role, wait_waits_for};

/// A step of the switch at which it stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The target's acknowledgement does not come.
    Acknowledgement,
    /// The offer does not come to the target.
    Offer,
    /// The target has taken over, and its answer does not come.
    Answer,
}

/// Every step.
pub const STEPS: [Step; 3] = [Step::Acknowledgement, Step::Offer, Step::Answer];

/// A primary and its replica, which know each other by the proxies' ports.
pub struct Pair {
    /// The primary, before the switch.
    pub one: Server,
    /// Its replica, and the target.
    pub two: Server,
    /// Before the primary: its replica's link goes through it.
    pub before_one: Proxy,
    /// Before the target: offers go through it, and the old primary's link afterwards.
    pub before_two: Proxy,
}

/// A server whose replicas and primaries know it by a proxy's port.
pub fn behind(proxy: &Proxy, setup: Setup) -> Server {
    let port = proxy.port().to_string();
    let server = nodes::start(setup.arg("--replica-announce-port", &port));
    proxy.lead_to(server.port());
    // Every test here is about switches that fail.
    for words in ["failover", "offers to hand over", "may have"] {
        server.expect_log(words);
    }
    server
}

impl Pair {
    /// Starts both, with data of every type.
    pub fn start() -> Pair {
        Pair::with(Setup::new)
    }

    /// Likewise, with settings.
    pub fn with(setup: impl Fn() -> Setup) -> Pair {
        let (before_one, before_two) = (Proxy::new(), Proxy::new());
        let one = behind(&before_one, setup());
        let two = behind(&before_two, setup());
        write_all_types(&mut one.connect(), 1, 3);
        let pair = Pair {
            one,
            two,
            before_one,
            before_two,
        };
        pair.lead(&pair.two);
        pair
    }

    /// Makes a server follow the first node, and waits until it holds everything.
    pub fn lead(&self, replica: &Server) {
        let port = self.before_one.port();
        replica.connect().ok(&format!("REPLICAOF 127.0.0.1 {port}"));
        wait_aligned(replica, &self.one);
    }

    /// `FAILOVER TO` the second node, and options.
    pub fn command(&self, options: &str) -> String {
        let port = self.before_two.port();
        format!("FAILOVER TO 127.0.0.1 {port} {options}")
    }

    /// Begins the switch.
    pub fn begin(&self) {
        self.one.connect().ok(&self.command(""));
    }

    /// Begins the switch and returns when it stands at this step.
    pub fn stop_at(&self, step: Step) {
        self.stop_at_with(step, "");
    }

    /// Likewise, with options of FAILOVER.
    pub fn stop_at_with(&self, step: Step, options: &str) {
        match step {
            Step::Acknowledgement => {
                self.before_one.stall(Way::ToServer);
                // Something that is not acknowledged.
                self.one.connect().ok("SET last 1");
            }
            Step::Offer => self.before_two.stall_at(Way::ToServer, "OFFER"),
            Step::Answer => self.before_two.stall_at(Way::ToClient, "+TAKEN"),
        }
        self.one.connect().ok(&self.command(options));
        match step {
            Step::Acknowledgement => wait_waits_for(&self.one, "to acknowledge"),
            Step::Offer => {
                wait_until("the offer is on its way", || {
                    self.before_two.is_stalled(Way::ToServer)
                });
            }
            Step::Answer => {
                wait_until("the answer is on its way", || {
                    self.before_two.is_stalled(Way::ToClient)
                });
                wait_role(&self.two, "master");
            }
        }
        if step != Step::Acknowledgement {
            assert_eq!(state(&self.one), "failover-in-progress");
        }
    }

    /// The old primary does not know whether the target has taken over: it says so, names the words that end it, and holds
    /// writes.
    pub fn wait_unknown(&self) {
        wait_waits_for(&self.one, "to say whether it has taken over");
        wait_waits_for(&self.one, "REPLICAOF NO ONE makes this node the primary");
        assert_eq!(state(&self.one), "failover-in-progress");
        self.holds_writes();
    }

    /// The old primary answers no write, and reads as ever.
    pub fn holds_writes(&self) {
        let mut admin = self.one.connect();
        let before = number(&self.one, "blocked_clients");
        let mut conn = self.one.connect();
        conn.send_line("SET held 1");
        wait_until("the write is parked", || {
            let blocked = info_field(&mut admin, "blocked_clients");
            blocked.parse::<u64>().is_ok_and(|now| now > before) || conn.has_reply_now()
        });
        assert!(!conn.has_reply_now(), "{:?}", conn.read());
        assert!(!admin.call("GET s:1:0").is_error());
    }

    /// Nobody accepts writes.
    pub fn nobody_accepts_writes(&self) {
        self.holds_writes();
        refuses_writes(&self.two);
    }

    /// The offer came to nothing: the first node writes on, and all is well at the end.
    pub fn settled_after_a_cancelled_offer(&self, load: Load) {
        wait_over(&self.one);
        assert_eq!(
            self.one.info("last_failover_result"),
            "aborted: the offer was cancelled"
        );
        load.wait_for_writes(20);
        self.settled(&self.one, &load.end());
    }

    /// The end of everything: this one of the two is the primary, the other its replica, both hold the same, nothing was copied,
    /// and every acknowledged write is there.
    pub fn settled(&self, primary: &Server, ended: &Ended) {
        let replica = self.other(primary);
        wait_role(primary, "master");
        wait_role(replica, "slave");
        for node in [primary, replica] {
            wait_over(node);
        }
        still_serves(primary);
        refuses_writes(replica);
        wait_aligned(replica, primary);
        ended.check(primary);
        assert_same(primary, replica);
        for node in [primary, replica] {
            assert_eq!(number(node, "sync_full"), 0);
            assert_eq!(number(node, "sync_partial_err"), 0);
        }
    }

    /// Like [`Pair::settled`], where either may be the primary; gives which.
    pub fn settled_somehow(&self, ended: &Ended) -> &Server {
        for node in [&self.one, &self.two] {
            wait_over(node);
        }
        let is_primary = |node: &&Server| node.info("role") == "master";
        let primaries: Vec<&Server> = [&self.one, &self.two]
            .into_iter()
            .filter(is_primary)
            .collect();
        assert_eq!(primaries.len(), 1, "primaries");
        self.settled(primaries[0], ended);
        primaries[0]
    }

    fn other(&self, node: &Server) -> &Server {
        match node.port() == self.one.port() {
            true => &self.two,
            false => &self.one,
        }
    }

    /// REPLICAOF the second node, on the first one.
    pub fn follow_two(&self) -> Value {
        let port = self.before_two.port();
        self.one
            .connect()
            .call(&format!("REPLICAOF 127.0.0.1 {port}"))
    }
}

/// Waits until the link is up and the replica holds what its primary holds by then; writers may go on meanwhile.
pub fn wait_aligned(replica: &Server, primary: &Server) {
    wait_link_up(replica);
    let offset = |conn: &mut Conn| -> u64 {
        let offset = info_field(conn, "master_repl_offset");
        offset.parse().expect("a number")
    };
    let due = offset(&mut primary.connect());
    let mut ours: Conn = replica.connect();
    wait_until("the replica holds what its primary holds", || {
        info_field(&mut ours, "master_link_status") == "up" && offset(&mut ours) >= due
    });
}
