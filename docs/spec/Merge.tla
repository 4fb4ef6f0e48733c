------------------------------- MODULE Merge -------------------------------
(***************************************************************************)
(* What merges, and why replicas that have seen the same show the same:    *)
(* last writer wins by (stamp, agent), a counter per agent, elements that  *)
(* are deleted by id for good, and version vectors over all of it (design  *)
(* section 3). Two exchanges: an envelope, which joins only where the      *)
(* version covers what it was written on, and a whole state, where what a  *)
(* version covers and its state lacks was removed.                         *)
(*                                                                         *)
(* It is not about text order or about containers that nest: the Rust code *)
(* itself is explored for those (core-rs/crates/model). The network keeps  *)
(* every message for ever, so loss, delay, reordering and duplication are  *)
(* all among its behaviours.                                               *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Replicas,   \* Numbers; each is also its own agent, compared by size.
    MaxOps,     \* How many operations are written in all.
    MaxSkew,    \* How far a clock may jump ahead at a write: 1 is no jump.
    MaxStates,  \* How many whole states are exported in all.
    Bug         \* "none", or the planted error.

VARIABLES
    slot,      \* replica -> the winning write: [stamp, agent, seq]
    items,     \* replica -> dots of the living elements
    count,     \* replica -> agent -> how often that agent has counted
    version,   \* replica -> agent -> highest seq seen
    clock,     \* replica -> highest stamp seen
    log,       \* every envelope ever written
    exported   \* every whole state ever sent

vars == <<slot, items, count, version, clock, log, exported>>

NoWrite == [stamp |-> 0, agent |-> 0, seq |-> 0]
Nothing == [r \in Replicas |-> 0]

Covers(v, d) == v[d[1]] >= d[2]
CoversAll(v, w) == \A a \in Replicas : v[a] >= w[a]
Above(w, o) == w.stamp > o.stamp \/ (w.stamp = o.stamp /\ w.agent > o.agent)
Max(a, b) == IF a > b THEN a ELSE b

(* The planted error "tie": of two writes with one stamp the one that came first stays. *)
Winner(have, new) ==
    IF Bug = "tie"
    THEN IF new.stamp > have.stamp THEN new ELSE have
    ELSE IF Above(new, have) THEN new ELSE have

Init ==
    /\ slot = [r \in Replicas |-> NoWrite]
    /\ items = [r \in Replicas |-> {}]
    /\ count = [r \in Replicas |-> Nothing]
    /\ version = [r \in Replicas |-> Nothing]
    /\ clock = [r \in Replicas |-> 0]
    /\ log = {}
    /\ exported = {}

-----------------------------------------------------------------------------
(* Writing. An envelope holds one operation and the version that it was written on. *)

Envelope(r, kind, stamp, dot) ==
    [agent |-> r, seq |-> version[r][r] + 1, kind |-> kind, stamp |-> stamp, dot |-> dot, on |-> version[r]]

Book(r, e) ==
    /\ log' = log \union {e}
    /\ version' = [version EXCEPT ![r][r] = @ + 1]
    /\ UNCHANGED exported

Write(r, jump) ==
    LET stamp == clock[r] + jump
        e == Envelope(r, "write", stamp, <<0, 0>>)
    IN  /\ Book(r, e)
        /\ clock' = [clock EXCEPT ![r] = stamp]
        /\ slot' = [slot EXCEPT ![r] = [stamp |-> stamp, agent |-> r, seq |-> e.seq]]
        /\ UNCHANGED <<items, count>>

Insert(r) ==
    LET e == Envelope(r, "insert", 0, <<0, 0>>)
    IN  /\ Book(r, e)
        /\ items' = [items EXCEPT ![r] = @ \union {<<r, e.seq>>}]
        /\ UNCHANGED <<slot, count, clock>>

Delete(r, dot) ==
    /\ dot \in items[r]
    /\ Book(r, Envelope(r, "delete", 0, dot))
    /\ items' = [items EXCEPT ![r] = @ \ {dot}]
    /\ UNCHANGED <<slot, count, clock>>

Count(r) ==
    /\ Book(r, Envelope(r, "count", 0, <<0, 0>>))
    /\ count' = [count EXCEPT ![r][r] = @ + 1]
    /\ UNCHANGED <<slot, items, clock>>

-----------------------------------------------------------------------------
(* Joining an envelope. "early" joins it whatever it rests on; "twice" doesn't look whether it has joined before. *)

Joins(r, e) ==
    /\ \/ version[r][e.agent] = e.seq - 1
       \/ Bug = "twice" /\ version[r][e.agent] = e.seq /\ e.agent # r
    /\ \/ Bug = "early"
       \/ \A a \in Replicas \ {e.agent} : version[r][a] >= e.on[a]

Receive(r, e) ==
    /\ Joins(r, e)
    /\ version' = [version EXCEPT ![r][e.agent] = e.seq]
    /\ clock' = [clock EXCEPT ![r] = Max(@, e.stamp)]
    /\ slot' = IF e.kind = "write"
               THEN [slot EXCEPT ![r] = Winner(@, [stamp |-> e.stamp, agent |-> e.agent, seq |-> e.seq])]
               ELSE slot
    /\ items' = IF e.kind = "insert" THEN [items EXCEPT ![r] = @ \union {<<e.agent, e.seq>>}]
                ELSE IF e.kind = "delete" THEN [items EXCEPT ![r] = @ \ {e.dot}]
                ELSE items
    /\ count' = IF e.kind = "count" THEN [count EXCEPT ![r][e.agent] = @ + 1] ELSE count
    /\ UNCHANGED <<log, exported>>

-----------------------------------------------------------------------------
(* Whole states. They are kept for ever too, so an old one may come at any time. *)

StateOf(r) == [slot |-> slot[r], items |-> items[r], count |-> count[r], version |-> version[r]]

Export(r) ==
    /\ Cardinality(exported) < MaxStates
    /\ version[r] # Nothing
    /\ StateOf(r) \notin exported
    /\ exported' = exported \union {StateOf(r)}
    /\ UNCHANGED <<slot, items, count, version, clock, log>>

(* What only one side has stays where the other side's version doesn't cover it; "union" keeps it anyway. *)
Merged(mine, v, theirs, w) ==
    (mine \intersect theirs)
    \union {d \in mine \ theirs : Bug = "union" \/ ~Covers(w, d)}
    \union {d \in theirs \ mine : Bug = "union" \/ ~Covers(v, d)}

Load(r, s) ==
    /\ ~CoversAll(version[r], s.version)
    /\ slot' = [slot EXCEPT ![r] = Winner(@, s.slot)]
    /\ items' = [items EXCEPT ![r] = Merged(@, version[r], s.items, s.version)]
    /\ count' = [count EXCEPT ![r] = [a \in Replicas |-> Max(count[r][a], s.count[a])]]
    /\ version' = [version EXCEPT ![r] = [a \in Replicas |-> Max(version[r][a], s.version[a])]]
    /\ clock' = [clock EXCEPT ![r] = Max(@, s.slot.stamp)]
    /\ UNCHANGED <<log, exported>>

(* The end, and the only one: everything is written and everybody has it. Being stuck anywhere else is an error. *)
Everywhere == \A r \in Replicas : \A e \in log : Covers(version[r], <<e.agent, e.seq>>)
Finished ==
    /\ Cardinality(log) = MaxOps
    /\ Everywhere
    /\ UNCHANGED vars

Next ==
    \/ \E r \in Replicas :
        \/ /\ Cardinality(log) < MaxOps
           /\ \/ \E jump \in 1..MaxSkew : Write(r, jump)
              \/ Insert(r)
              \/ \E dot \in items[r] : Delete(r, dot)
              \/ Count(r)
        \/ \E e \in log : Receive(r, e)
        \/ Export(r)
        \/ \E s \in exported : Load(r, s)
    \/ Finished

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What a replica must show, said from the log and its version alone, without any merging. *)

Seen(r) == {e \in log : Covers(version[r], <<e.agent, e.seq>>)}
Kind(r, kind) == {e \in Seen(r) : e.kind = kind}

SameVersionSameState ==
    \A r, s \in Replicas : version[r] = version[s] =>
        slot[r] = slot[s] /\ items[r] = items[s] /\ count[r] = count[s]

EffectExactlyOnce ==
    \A r \in Replicas :
        /\ \A a \in Replicas : count[r][a] = Cardinality({e \in Kind(r, "count") : e.agent = a})
        /\ items[r] = {<<e.agent, e.seq>> : e \in Kind(r, "insert")} \ {e.dot : e \in Kind(r, "delete")}

DeletedStaysDeleted ==
    \A r \in Replicas : \A e \in Kind(r, "delete") : e.dot \notin items[r]

CauseBeforeEffect ==
    \A r \in Replicas : \A e \in Seen(r) : CoversAll(version[r], e.on)

(* Nobody's write is hidden by one that is lower, and whoever writes over what is shown wins over it. *)
HighestWriteWins ==
    \A r \in Replicas :
        /\ \A e \in Kind(r, "write") :
            ~Above([stamp |-> e.stamp, agent |-> e.agent, seq |-> e.seq], slot[r])
        /\ \A e, o \in Kind(r, "write") : Covers(e.on, <<o.agent, o.seq>>) => e.stamp > o.stamp

(* Nothing waits for ever: who lacks something can join something now. *)
QuietAfterHealing ==
    \A r \in Replicas : Seen(r) # log => \E e \in log : Joins(r, e)
=============================================================================
