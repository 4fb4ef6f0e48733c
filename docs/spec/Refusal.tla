------------------------------ MODULE Refusal ------------------------------
(***************************************************************************)
(* The refusal path (design section 6): what becomes of a device's unsynced*)
(* writes when the server refuses one of them. The document's local        *)
(* incarnation ends, in this order: the server closes its agents; one      *)
(* storage transaction, compare-and-set, writes the next incarnation with  *)
(* what is replayed and what is rejected; every tab reloads, and hands     *)
(* over its keystrokes that were not yet stored. Envelopes in flight land  *)
(* at any time, tabs go on writing throughout, several walk the path at    *)
(* once, and each may crash anywhere.                                      *)
(*                                                                         *)
(* A write keeps its id (what the user meant) through every replay; what a *)
(* replay changes is its dot. It is not about positions in texts, stamps   *)
(* and keys, which the Rust tests of `Replay` are about.                   *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Tabs,        \* Numbers.
    MaxWrites,   \* How many writes are made in all: their ids, in the order of writing.
    Forbidden,   \* The ids that the server refuses.
    MaxCrashes,  \* How many tabs crash.
    Bug          \* "none", or the planted error.

VARIABLES
    written,      \* the newest write's id
    agents,       \* how many agents there were: they are numbers and never used again
    incarnation,  \* what storage says is current
    stored,       \* storage: envelopes of this incarnation
    rejected,     \* storage: ids in `client.rejected`
    tab,          \* tab -> [incarnation, agent (0: none yet), seq, memory, shows]
    path,         \* tab -> how far it is on the path
    net,          \* envelopes on their way to the server
    answers,      \* refusals that the server gave: [agent, seq, code]
    log,          \* the server's log
    closed,       \* the agents it has closed
    durable,      \* ids that were ever said to be durable
    inner,        \* ids that were written inside of a forbidden one
    lost,         \* ids that went with a crash before they were stored
    crashes

storage == <<incarnation, stored, rejected>>
server == <<answers, log, closed>>
counts == <<written, agents, durable, inner, lost, crashes>>
vars == <<storage, tab, path, net, server, counts>>

InSeq(s) == {s[i] : i \in 1..Len(s)}
Ids(envelopes) == {e.id : e \in envelopes}
AgentsOf(envelopes) == {e.agent : e \in envelopes}
Last(agent) == Cardinality({i \in 1..Len(log) : log[i].agent = agent})

NoPath == [stage |-> "idle", incarnation |-> 0, agents |-> {}, last |-> <<>>, read |-> {}]

(* New dots, one after the other in the order of writing, which no cause is behind. *)
Redotted(envelopes, agent, into) ==
    {[id |-> e.id, agent |-> agent, seq |-> Cardinality({o \in envelopes : o.id <= e.id}),
      rests |-> e.rests, incarnation |-> into] : e \in envelopes}

RECURSIVE InOrder(_)
InOrder(envelopes) ==
    IF envelopes = {} THEN <<>>
    ELSE LET first == CHOOSE e \in envelopes : \A o \in envelopes : e.id <= o.id
         IN <<first>> \o InOrder(envelopes \ {first})

Init ==
    /\ written = 0 /\ agents = 0 /\ durable = {} /\ inner = {} /\ lost = {} /\ crashes = 0
    /\ incarnation = 0 /\ stored = {} /\ rejected = {}
    /\ tab = [t \in Tabs |-> [incarnation |-> 0, agent |-> 0, seq |-> 0, memory |-> <<>>, shows |-> {}]]
    /\ path = [t \in Tabs |-> NoPath]
    /\ net = {} /\ answers = {} /\ log = <<>> /\ closed = {}

-----------------------------------------------------------------------------
(* Tabs write, store and hear of each other. `shows` are the forbidden writes that a tab's replica holds: what is written
   inside of one rests on it. *)

Write(t, inside) ==
    /\ written < MaxWrites
    /\ inside => tab[t].shows # {}
    /\ LET
        id == written + 1
        agent == IF tab[t].agent = 0 THEN agents + 1 ELSE tab[t].agent
        e == [id |-> id, agent |-> agent, seq |-> tab[t].seq + 1,
              rests |-> IF inside THEN tab[t].shows ELSE {}, incarnation |-> tab[t].incarnation]
       IN
        /\ written' = id
        /\ agents' = IF agent > agents THEN agent ELSE agents
        /\ tab' = [tab EXCEPT ![t].agent = agent, ![t].seq = @ + 1, ![t].memory = Append(@, e),
                              ![t].shows = @ \union ({id} \intersect Forbidden)]
        /\ inner' = IF e.rests # {} THEN inner \union {id} ELSE inner
        /\ UNCHANGED <<storage, path, net, server, durable, lost, crashes>>

(* An append with an older incarnation fails ("stale-append": it doesn't). *)
AppendOne(t) ==
    /\ tab[t].memory # <<>>
    /\ tab[t].incarnation = incarnation \/ Bug = "stale-append"
    /\ LET e == Head(tab[t].memory)
       IN  /\ stored' = stored \union {e}
           /\ durable' = durable \union {e.id}
    /\ tab' = [tab EXCEPT ![t].memory = Tail(@)]
    /\ UNCHANGED <<incarnation, rejected, path, net, server, written, agents, inner, lost, crashes>>

Hear(t) ==
    /\ tab[t].incarnation = incarnation
    /\ LET heard == Ids(stored) \intersect Forbidden
       IN
        /\ ~(heard \subseteq tab[t].shows)
        /\ tab' = [tab EXCEPT ![t].shows = @ \union heard]
        /\ UNCHANGED <<storage, path, net, server, counts>>

(* Any tab may be the leader, or several: what is stored is sent. *)
Send(e) ==
    /\ e \notin net
    /\ net' = net \union {e}
    /\ UNCHANGED <<storage, tab, path, server, counts>>

-----------------------------------------------------------------------------
(* The server. It looks for duplicates first, takes nothing of a closed agent, and nothing whose causes it lacks. *)

Answer(e, code) ==
    LET a == [agent |-> e.agent, seq |-> e.seq, code |-> code]
    IN  /\ a \notin answers
        /\ answers' = answers \union {a}
        /\ UNCHANGED <<log, closed>>

Receive(e) ==
    /\ e.seq > Last(e.agent)
    /\ IF e.agent \in closed THEN Answer(e, "closed-agent")
       ELSE /\ e.seq = Last(e.agent) + 1
            /\ e.rests \subseteq Ids(InSeq(log))
            /\ IF e.id \in Forbidden THEN Answer(e, "forbidden")
               ELSE /\ log' = Append(log, e)
                    /\ UNCHANGED <<answers, closed>>
    /\ UNCHANGED <<storage, tab, path, net, counts>>

-----------------------------------------------------------------------------
(* The path. *)

Answered(e) == \E a \in answers : a.agent = e.agent /\ a.seq = e.seq
Refused(e) == \E a \in answers : a.agent = e.agent /\ a.seq = e.seq /\ a.code = "forbidden"

(* It begins where the server has refused something that is stored. *)
Begin(t) ==
    /\ path[t].stage = "idle"
    /\ \E e \in stored : Answered(e)
    /\ path' = [path EXCEPT ![t] =
        [NoPath EXCEPT !.stage = "closing", !.incarnation = incarnation, !.agents = AgentsOf(stored)]]
    /\ UNCHANGED <<storage, tab, net, server, counts>>

(* Step 1: one transaction of the server closes the agents and tells each one's last accepted seq ("open": it only tells). *)
Close(t) ==
    /\ path[t].stage = "closing"
    /\ closed' = IF Bug = "open" THEN closed ELSE closed \union path[t].agents
    /\ path' = [path EXCEPT ![t].stage = "fetched",
                            ![t].last = [a \in path[t].agents |-> Last(a)],
                            ![t].read = stored]
    /\ UNCHANGED <<storage, tab, net, answers, log, counts>>

(* Step 2, in one storage transaction. Whoever loses starts anew.
   "no-cas": neither the incarnation nor the agents are looked at. "no-agent-check": the agents aren't. "read-outside": the
   log is what was read before the transaction. "last-ack": unsynced is what no acknowledgement came for, and they were lost.
   "silent": what was refused is left out without a word. "inside": what rests on it is replayed. *)
Unsynced(t, e) ==
    \/ Bug = "last-ack"
    \/ e.agent \notin path[t].agents
    \/ e.seq > path[t].last[e.agent]

Valid(t) ==
    \/ Bug = "no-cas"
    \/ /\ path[t].incarnation = incarnation
       /\ \/ Bug = "no-agent-check"
          \/ AgentsOf(stored) \subseteq path[t].agents

Swap(t) ==
    /\ path[t].stage = "fetched"
    /\ Valid(t)
    /\ LET
        read == IF Bug = "read-outside" THEN path[t].read ELSE stored
        unsynced == {e \in read : Unsynced(t, e)}
        refused == Ids({e \in unsynced : Refused(e)}) \union (rejected \intersect Forbidden)
        falls == {e \in unsynced : e.id \in refused \/ (e.rests \intersect refused # {} /\ Bug # "inside")}
       IN
        /\ incarnation' = incarnation + 1
        /\ agents' = agents + 1
        /\ stored' = Redotted(unsynced \ falls, agents + 1, incarnation + 1)
        /\ rejected' = IF Bug = "silent" THEN rejected ELSE rejected \union Ids(falls)
        /\ path' = [path EXCEPT ![t] = NoPath]
        /\ UNCHANGED <<tab, net, server, written, durable, inner, lost, crashes>>

Lose(t) ==
    /\ path[t].stage = "fetched"
    /\ ~Valid(t)
    /\ path' = [path EXCEPT ![t] = NoPath]
    /\ UNCHANGED <<storage, tab, net, server, counts>>

(* Step 3: a tab reloads, takes a new agent, and its keystrokes that weren't stored are replayed too ("keystrokes": they
   aren't). What rests on something that was rejected goes with it. *)
Reload(t) ==
    /\ tab[t].incarnation < incarnation
    /\ LET
        left == InSeq(tab[t].memory)
        falls == {e \in left : e.rests \intersect rejected # {}}
        stays == IF Bug = "keystrokes" THEN {} ELSE left \ falls
        agent == IF stays = {} THEN 0 ELSE agents + 1
        memory == InOrder(Redotted(stays, agent, incarnation))
       IN
        /\ agents' = IF agent > agents THEN agent ELSE agents
        /\ rejected' = rejected \union Ids(falls)
        /\ tab' = [tab EXCEPT ![t] =
            [incarnation |-> incarnation, agent |-> agent, seq |-> Len(memory), memory |-> memory,
             shows |-> (Ids(stored) \union Ids(stays)) \intersect Forbidden]]
        /\ UNCHANGED <<incarnation, stored, path, net, server, written, durable, inner, lost, crashes>>

Crash(t) ==
    /\ crashes < MaxCrashes
    /\ tab[t].memory # <<>> \/ path[t].stage # "idle"
    /\ crashes' = crashes + 1
    /\ lost' = lost \union Ids(InSeq(tab[t].memory))
    /\ path' = [path EXCEPT ![t] = NoPath]
    /\ tab' = [tab EXCEPT ![t] =
        [incarnation |-> incarnation, agent |-> 0, seq |-> 0, memory |-> <<>>,
         shows |-> Ids(stored) \intersect Forbidden]]
    /\ UNCHANGED <<storage, net, server, written, agents, durable, inner>>

-----------------------------------------------------------------------------
Memories == UNION {InSeq(tab[t].memory) : t \in Tabs}

(* The end, and the only one: everything is at the server or in the rejected list. Being stuck anywhere else is an error. *)
Finished ==
    /\ written = MaxWrites
    /\ Memories = {}
    /\ \A t \in Tabs : path[t].stage = "idle" /\ tab[t].incarnation = incarnation
    /\ (1..written) \ lost \subseteq Ids(InSeq(log)) \union rejected
    /\ UNCHANGED vars

Next ==
    \/ \E t \in Tabs :
        \/ \E inside \in BOOLEAN : Write(t, inside)
        \/ AppendOne(t) \/ Hear(t)
        \/ Begin(t) \/ Close(t) \/ Swap(t) \/ Lose(t) \/ Reload(t)
        \/ Crash(t)
    \/ \E e \in stored : Send(e)
    \/ \E e \in net : Receive(e)
    \/ Finished

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* Nothing is doubled: not in the log, not between the log and the rejected list. *)
EffectExactlyOnce ==
    /\ \A i, j \in 1..Len(log) : i # j => log[i].id # log[j].id
    /\ Ids(InSeq(log)) \intersect rejected = {}
    /\ \A e, o \in stored : e.id = o.id => e = o

(* Nothing durable is lost but what is in the rejected list. *)
NothingPromisedLost == durable \subseteq Ids(InSeq(log)) \union Ids(stored) \union rejected

(* And without a crash nothing that was written at all. *)
NothingTypedLost ==
    (1..written) \ lost \subseteq Ids(InSeq(log)) \union Ids(stored) \union Ids(Memories) \union rejected

NoWriteWithoutRight == Ids(InSeq(log)) \intersect Forbidden = {}

(* What is in the list was refused, or written inside of what was: nothing else is taken from the user. And what the server
   forbids is in it as soon as it isn't waiting any more. *)
RefusalSurfaces ==
    /\ rejected \subseteq Forbidden \union inner
    /\ durable \intersect Forbidden \subseteq Ids(stored) \union rejected

(* What is stored was made in this incarnation, so what it names is there. *)
CauseBeforeEffect ==
    /\ \A e \in stored : e.incarnation = incarnation
    /\ \A i \in 1..Len(log) : log[i].seq > 1 =>
        \E j \in 1..(i - 1) : log[j].agent = log[i].agent /\ log[j].seq = log[i].seq - 1

BoundsHold == incarnation <= 2 * MaxWrites + MaxCrashes
=============================================================================
