//! What is compared besides plain commands on a data connection: blocking commands, subscribers, raw input, and clients
//! that really block. The templates are written as in `families.rs`.

/// Blocking commands outside MULTI: something is there to be taken, or the first key is of a wrong type.
pub const BLOCKING: &[&str] = &[
    "RPUSH {a=kl} {e} ; BLPOP {a} ( {kl} )* {timeout}",
    "RPUSH {a=kl} {e} ; BRPOP {a} ( {kl} )* {timeout}",
    "RPUSH {a=kl} {e} ; BLMOVE {a} {kl} ( LEFT | RIGHT ) ( LEFT | RIGHT ) {timeout}",
    "RPUSH {a=kl} {e} ; BRPOPLPUSH {a} {kl} {timeout}",
    "RPUSH {a=kl} {e} ; BLMPOP {timeout} 1 {a} ( LEFT | RIGHT ) [ COUNT {c} ]",
    "RPUSH {a=kl} {e} ; BLMPOP {timeout} 2 {a} {kl} ( LEFT | RIGHT ) [ COUNT {c} ]",
    "ZADD {a=kz} {sc} {m} ; BZPOPMIN {a} ( {kz} )* {timeout}",
    "ZADD {a=kz} {sc} {m} ; BZPOPMAX {a} ( {kz} )* {timeout}",
    "ZADD {a=kz} {sc} {m} ; BZMPOP {timeout} 1 {a} ( MIN | MAX ) [ COUNT {c} ]",
    "BLPOP {kl} ( -1 | abc | nan | inf | 1e400 | -0.5 )",
    "BLMOVE {kl} {kl} ( LEFT | UP ) ( DOWN | RIGHT ) -1",
    "BLMPOP ( -1 | abc ) 1 {kl} LEFT",
    "BLMPOP 0.001 ( 0 | -1 | abc | 2 ) {kl} LEFT",
    "BLMPOP 0.001 1 {kl} ( UP | LEFT COUNT 0 | LEFT COUNT abc | LEFT BOGUS 1 | LEFT COUNT 1 COUNT 1 )",
    "BZMPOP 0.001 1 {kz} ( UP | MIN COUNT 0 | MIN COUNT abc | MIN BOGUS 1 )",
    "BZPOPMIN {kz} ( -1 | abc )",
    "BLPOP",
    "BLPOP {kl}",
    "BRPOP",
    "BLMOVE {kl} {kl} LEFT RIGHT",
    "BRPOPLPUSH {kl} {kl}",
    "BLMPOP 0 1",
    "BZPOPMAX {kz}",
];

/// Blocking commands inside MULTI, where none of them may block.
pub const BLOCKING_IN_MULTI: &[&str] = &[
    "BLPOP ( {kl} )+ {short}",
    "BRPOP ( {kl} )+ {short}",
    "BLMOVE {kl} {kl} ( LEFT | RIGHT ) ( LEFT | RIGHT ) {short}",
    "BRPOPLPUSH {kl} {kl} {short}",
    "BLMPOP {short} 2 {kl} {kl} ( LEFT | RIGHT ) [ COUNT {c} ]",
    "BZPOPMIN ( {kz} )+ {short}",
    "BZPOPMAX ( {kz} )+ {short}",
    "BZMPOP {short} 2 {kz} {kz} ( MIN | MAX ) [ COUNT {c} ]",
    "WAIT 0 0",
];

/// What the two subscriber connections do.
pub const SUBSCRIBER: &[&str] = &[
    "4: SUBSCRIBE ( {ch} )+",
    "2: UNSUBSCRIBE ( {ch} )*",
    "4: PSUBSCRIBE ( {chpat} )+",
    "2: PUNSUBSCRIBE ( {chpat} )*",
    "2: SSUBSCRIBE ( {ch} )+",
    "2: SUNSUBSCRIBE ( {ch} )*",
    "PING [ {e} ]",
    "3: PUBLISH {ch} {v}",
    "GET {ks}",
    "SET {ks} {v}",
    "HELLO 3",
    "HELLO 2",
    "RESET",
    "PUBSUB NUMPAT",
    "MULTI ; SET {ks} {v} ; GET {ks} ; EXEC",
    "CLIENT GETNAME",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "NOSUCH x",
];

/// Raw input for a connection of its own; `QUIT` follows each, so that the server closes.
pub const RAW: &[&[u8]] = &[
    b"PING\r\n",
    b"PING\n",
    b"   PING   \r\n",
    b"\r\n\r\n\n PING hello\r\n",
    b"SET rawkey \"a\\x41\\n\\\"b\" \r\nGET rawkey\r\nDEL rawkey\r\n",
    b"SET rawkey 'single \\' quoted'\r\nGET rawkey\r\nDEL rawkey\r\n",
    b"ECHO \"\"\r\nECHO ''\r\n",
    b"ECHO \"unbalanced\r\n",
    b"ECHO 'unbalanced\r\n",
    b"ECHO \"glued\"together\r\n",
    b"ECHO a\"b\r\n",
    b"get\r\n",
    b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"*-10\r\nPING\r\n",
    b"*abc\r\n",
    b"*\r\n",
    b"*1a\r\n",
    b"*2147483648\r\n",
    b"*1048577\r\n",
    b"*99999999999999999999\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n:4\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-2\r\n",
    b"*1\r\n$abc\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$99999999999\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"*3\r\n$3\r\nSET\r\n$3\r\nraw\r\n*1\r\n",
    b"*1\r\n$4\r\nPI\r\n\r\n",
    b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nECHO seen\r\n",
    b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
    b"CLIENT REPLY OFF\r\nNOSUCH\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\n",
    b"CLIENT REPLY OFF\r\nHELLO 3\r\nCLIENT REPLY ON\r\nPING\r\n",
    b"HELLO 3\r\nHELLO\r\n",
    b"HELLO 3\r\nMULTI\r\nSET rawkey 1\r\nEXEC\r\nDEL rawkey\r\nGET rawkey\r\n",
    b"HELLO 3\r\nSUBSCRIBE a b\r\nPUBLISH a self\r\nUNSUBSCRIBE\r\n",
    b"SUBSCRIBE a\r\nGET x\r\nHELLO 3\r\nMULTI\r\nPING\r\nRESET\r\nGET nosuch\r\n",
    b"HELLO 3\r\nRESET\r\nGET nosuch\r\n",
    b"MULTI\r\nSUBSCRIBE a\r\nEXEC\r\n",
    b"MULTI\r\nQUIT\r\nPING\r\n",
    b"CLIENT SETNAME raw\r\nRESET\r\nCLIENT GETNAME\r\n",
    b"SELECT 3\r\nRESET\r\nDBSIZE\r\n",
    b"HELLO 2 SETNAME raw2\r\nCLIENT GETNAME\r\n",
    b"HELLO 3 AUTH default x SETNAME y\r\nCLIENT GETNAME\r\n",
    b"SUBSCRIBE a\r\nPING\r\nPING x\r\nQUIT\r\n",
    b"PSUBSCRIBE a*\r\nSSUBSCRIBE b\r\nSUBSCRIBE c\r\nUNSUBSCRIBE c\r\nPUNSUBSCRIBE a*\r\nSUNSUBSCRIBE\r\nGET nosuch\r\n",
    b"\xff\xfe\x01binary\r\n",
];

/// One step of blocking: the commands of the clients that block one after the other, then what wakes them.
pub struct Blocked {
    /// Commands of clients that block, in this order.
    pub clients: &'static [&'static str],
    /// Commands of another client, after all of them block.
    pub then: &'static [&'static str],
}

/// Blocking scenarios on the keys `b1`, `b2`, `b3`, which are removed before and after. Clients that still block at the
/// end are unblocked with CLIENT UNBLOCK.
pub const BLOCKED: &[Blocked] = &[
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &["RPUSH b1 x y z", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BRPOP b2 b1 0"],
        then: &["RPUSH b1 x y z", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLPOP b1 0", "BLPOP b1 0", "BRPOP b1 0"],
        then: &["RPUSH b1 1 2", "RPUSH b1 3 4", "LLEN b1"],
    },
    Blocked {
        clients: &["BLPOP b1 b2 0", "BLPOP b2 b1 0"],
        then: &["MULTI", "RPUSH b2 two", "RPUSH b1 one", "EXEC"],
    },
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &["MULTI", "RPUSH b1 a", "LPOP b1", "EXEC", "EXISTS b1"],
    },
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &["SADD b1 wrongtype", "TYPE b1", "DEL b1", "LPUSH b1 ok"],
    },
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &["RPUSH b2 v", "RENAME b2 b1", "EXISTS b1"],
    },
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &["RPUSH b2 v w", "COPY b2 b1", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &["RPUSH b2 2 1", "SORT b2 STORE b1", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLMOVE b1 b2 LEFT RIGHT 0"],
        then: &["RPUSH b1 x y", "LRANGE b2 0 -1"],
    },
    Blocked {
        clients: &["BLMOVE b1 b2 LEFT RIGHT 0", "BLPOP b2 0"],
        then: &["RPUSH b1 chain", "EXISTS b1 b2"],
    },
    Blocked {
        clients: &["BRPOPLPUSH b1 b1 0"],
        then: &["RPUSH b1 x y", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLMOVE b1 b2 LEFT LEFT 0"],
        then: &["SET b2 string", "RPUSH b1 x", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLMPOP 0 2 b1 b2 LEFT COUNT 2"],
        then: &["RPUSH b2 x y z", "LRANGE b2 0 -1"],
    },
    Blocked {
        clients: &["BZPOPMIN b1 0"],
        then: &["ZADD b1 2 two 1 one", "ZRANGE b1 0 -1 WITHSCORES"],
    },
    Blocked {
        clients: &["BZPOPMAX b2 b1 0", "BZPOPMIN b1 0"],
        then: &["ZADD b1 2 two 1 one", "EXISTS b1"],
    },
    Blocked {
        clients: &["BZMPOP 0 2 b1 b2 MAX COUNT 5"],
        then: &["ZADD b2 2 two 1 one", "EXISTS b2"],
    },
    Blocked {
        clients: &["BZPOPMIN b1 0"],
        then: &["ZADD b2 1 a", "ZUNIONSTORE b1 1 b2", "EXISTS b1"],
    },
    Blocked {
        clients: &["BZPOPMIN b1 0"],
        then: &["ZADD b2 1 a", "ZRANGESTORE b1 b2 0 -1", "EXISTS b1"],
    },
    Blocked {
        clients: &["BLPOP b1 0", "BZPOPMIN b1 0"],
        then: &["ZADD b1 1 a", "RPUSH b1 x"],
    },
    Blocked {
        clients: &["BLPOP b1 0", "BLPOP b2 0"],
        then: &["FLUSHDB", "CLIENT LIST TYPE bogus"],
    },
    Blocked {
        clients: &["BLPOP b1 0.01"],
        then: &[],
    },
    Blocked {
        clients: &["BRPOP b1 b2 0.005", "BLMOVE b1 b2 LEFT LEFT 0.01"],
        then: &[],
    },
    Blocked {
        clients: &[
            "BLMPOP 0.01 1 b1 LEFT",
            "BZPOPMIN b1 0.01",
            "BZMPOP 0.01 1 b1 MIN",
        ],
        then: &[],
    },
    Blocked {
        clients: &["BRPOPLPUSH b1 b2 0.01"],
        then: &[],
    },
    Blocked {
        clients: &[
            "BLPOP b1 0",
            "BLMOVE b1 b3 LEFT RIGHT 0",
            "BLMPOP 0 1 b1 RIGHT COUNT 2",
            "BRPOP b1 0",
        ],
        then: &["RPUSH b1 1 2 3 4 5 6", "LRANGE b1 0 -1", "LRANGE b3 0 -1"],
    },
    Blocked {
        clients: &["BLPOP b1 b2 b3 0", "BLPOP b3 b2 b1 0", "BRPOP b2 0"],
        then: &["RPUSH b3 x", "RPUSH b2 y", "LPUSH b2 z", "EXISTS b1 b2 b3"],
    },
    Blocked {
        clients: &[
            "BZPOPMIN b1 0",
            "BZPOPMAX b1 0",
            "BZMPOP 0 1 b1 MIN COUNT 2",
            "BZPOPMIN b1 0",
        ],
        then: &[
            "ZADD b1 1 a 2 b 3 c 4 d 5 e 6 f",
            "ZRANGE b1 0 -1 WITHSCORES",
        ],
    },
    Blocked {
        clients: &["BZPOPMIN b1 b2 0", "BZPOPMAX b2 b1 0"],
        then: &[
            "ZINCRBY b2 1.5 m",
            "ZADD b1 inf top -inf bottom",
            "ZRANGE b1 0 -1",
        ],
    },
    Blocked {
        clients: &[
            "BLMOVE b1 b2 RIGHT LEFT 0",
            "BLMOVE b2 b3 LEFT RIGHT 0",
            "BLPOP b3 0",
        ],
        then: &["RPUSH b1 one two", "LRANGE b1 0 -1", "EXISTS b2 b3"],
    },
    Blocked {
        clients: &["BLMOVE b1 b1 LEFT RIGHT 0", "BLPOP b1 0"],
        then: &["RPUSH b1 only", "EXISTS b1"],
    },
    Blocked {
        clients: &["BLPOP b1 0", "BLPOP b1 0"],
        then: &[
            "MULTI",
            "RPUSH b1 1",
            "DEL b1",
            "RPUSH b1 2",
            "EXEC",
            "RPUSH b1 3",
            "EXISTS b1",
        ],
    },
    Blocked {
        clients: &["BLPOP b1 0", "BZPOPMIN b1 0", "BLPOP b1 0"],
        then: &[
            "MULTI",
            "ZADD b1 1 z",
            "DEL b1",
            "RPUSH b1 x y",
            "EXEC",
            "EXISTS b1",
        ],
    },
    Blocked {
        clients: &["BLPOP b1 0"],
        then: &[
            "LPUSHX b1 no",
            "LINSERT b1 BEFORE p no",
            "RPUSH b2 m n",
            "LMOVE b2 b1 LEFT LEFT",
            "LLEN b2",
        ],
    },
    Blocked {
        clients: &["BRPOP b1 0", "BLPOP b1 0"],
        then: &[
            "RPUSH b2 1 2 3",
            "RESTORE b1 0 bogus",
            "RENAMENX b2 b1",
            "LRANGE b1 0 -1",
        ],
    },
    Blocked {
        clients: &[
            "BLMPOP 0 3 b3 b2 b1 RIGHT COUNT 10",
            "BLMPOP 0 2 b1 b2 LEFT",
        ],
        then: &["RPUSH b1 1 2", "RPUSH b2 3 4", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLMOVE b1 b2 LEFT LEFT 0", "BLPOP b1 0"],
        then: &["SADD b2 no", "RPUSH b1 x y", "LRANGE b1 0 -1"],
    },
    Blocked {
        clients: &["BLPOP b1 0", "BLMPOP 0 1 b1 LEFT COUNT 3"],
        then: &[
            "PEXPIRE b1 20",
            "RPUSH b1 a b c d e",
            "PERSIST b1",
            "LRANGE b1 0 -1",
        ],
    },
    Blocked {
        clients: &["BZMPOP 0 2 b1 b2 MAX", "BZPOPMAX b2 0"],
        then: &[
            "ZADD b1 1",
            "ZADD b2 NX 1 a 1 b",
            "ZADD b2 XX 2 none",
            "ZRANGE b2 0 -1 WITHSCORES",
        ],
    },
];
