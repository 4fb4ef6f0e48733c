------------------------------- MODULE Leader -------------------------------
(***************************************************************************)
(* Which tab speaks for a device (design section 5): the one that has the  *)
(* Web Lock and has written a new term to storage. A dead tab's lock is    *)
(* free at once; a frozen one's is stolen, and the frozen tab goes on as a *)
(* leader when it wakes, until it hears of it. So two tabs may lead at     *)
(* once, and what a leader does must be harmless when another does it too: *)
(* sending (the server looks for duplicates) and compaction (compare and   *)
(* set).                                                                   *)
(*                                                                         *)
(* It is not about time: a lock may be stolen from a leader that is merely *)
(* slow, which is worse than what a timeout allows.                        *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Tabs,       \* Numbers above 0.
    MaxWrites,  \* How many writes all tabs make.
    MaxFreezes, \* How often a tab freezes.
    MaxDeaths,  \* How many tabs die.
    MaxHasty,   \* How often the lock is stolen from a leader that isn't frozen.
    Bug         \* "none", or the planted error.

VARIABLES
    lock,      \* the Web Lock's holder; 0: nobody
    health,    \* tab -> "live", "frozen" or "dead"
    stage,     \* tab -> "idle", "granted" (has the lock, not yet a term), "leading" (believes that it leads)
    mine,      \* tab -> its term
    term,      \* storage: the highest term
    snapshot,  \* storage: [version, holds], the writes that the stored snapshot holds
    records,   \* storage: the log's own writes
    prepared,  \* tab -> a compaction that it prepared: [base, holds, covers]; base 0: none
    net,       \* writes on their way to the server: [id, by]
    log,       \* the server's log
    written, freezes, deaths, hasty

storage == <<term, snapshot, records>>
counts == <<written, freezes, deaths, hasty>>
vars == <<lock, health, stage, mine, storage, prepared, net, log, counts>>

InSeq(s) == {s[i] : i \in 1..Len(s)}
NoWork == [base |-> 0, holds |-> {}, covers |-> {}]

Init ==
    /\ lock = 0 /\ term = 0
    /\ health = [t \in Tabs |-> "live"]
    /\ stage = [t \in Tabs |-> "idle"]
    /\ mine = [t \in Tabs |-> 0]
    /\ snapshot = [version |-> 1, holds |-> {}]
    /\ records = {}
    /\ prepared = [t \in Tabs |-> NoWork]
    /\ net = {} /\ log = <<>>
    /\ written = 0 /\ freezes = 0 /\ deaths = 0 /\ hasty = 0

Live(t) == health[t] = "live"
Leads(t) == Live(t) /\ stage[t] = "leading"

-----------------------------------------------------------------------------
(* Becoming the leader, and ceasing to be. *)

(* "split-term": the term is read when the lock comes and written later, in two transactions. *)
Grant(t) ==
    /\ lock' = t
    /\ stage' = [stage EXCEPT ![t] = "granted"]
    /\ mine' = IF Bug = "split-term" THEN [mine EXCEPT ![t] = term] ELSE mine

Request(t) ==
    /\ Live(t) /\ stage[t] = "idle" /\ lock = 0
    /\ Grant(t)
    /\ UNCHANGED <<health, storage, prepared, net, log, counts>>

Steal(t) ==
    /\ Live(t) /\ stage[t] = "idle" /\ lock # 0 /\ lock # t
    /\ IF health[lock] = "frozen" THEN UNCHANGED hasty ELSE hasty < MaxHasty /\ hasty' = hasty + 1
    /\ Grant(t)
    /\ UNCHANGED <<health, storage, prepared, net, log, written, freezes, deaths>>

(* One transaction. The tab may have lost the lock by now and not know it. *)
WriteTerm(t) ==
    /\ Live(t) /\ stage[t] = "granted"
    /\ LET next == IF Bug = "split-term" THEN mine[t] + 1 ELSE term + 1
       IN  /\ term' = next
           /\ mine' = [mine EXCEPT ![t] = next]
    /\ stage' = [stage EXCEPT ![t] = "leading"]
    /\ UNCHANGED <<lock, health, snapshot, records, prepared, net, log, counts>>

StepDown(t) ==
    /\ stage' = [stage EXCEPT ![t] = "idle"]
    /\ mine' = [mine EXCEPT ![t] = 0]
    /\ prepared' = [prepared EXCEPT ![t] = NoWork]

(* The browser tells a tab that its lock was stolen. *)
HearOfTheft(t) ==
    /\ Live(t) /\ stage[t] # "idle" /\ lock # t
    /\ StepDown(t)
    /\ UNCHANGED <<lock, health, storage, net, log, counts>>

(* A leader finds a higher term in storage. It gives the lock back, so that it can be had again ("keep-lock": it keeps it). *)
SeeTerm(t) ==
    /\ Leads(t) /\ mine[t] < term
    /\ StepDown(t)
    /\ lock' = IF lock = t /\ Bug # "keep-lock" THEN 0 ELSE lock
    /\ UNCHANGED <<health, storage, net, log, counts>>

Others(t) == \E o \in Tabs \ {t} : Live(o)

Freeze(t) ==
    /\ Live(t) /\ Others(t) /\ stage[t] # "idle" /\ freezes < MaxFreezes
    /\ health' = [health EXCEPT ![t] = "frozen"]
    /\ freezes' = freezes + 1
    /\ UNCHANGED <<lock, stage, mine, storage, prepared, net, log, written, deaths, hasty>>

Thaw(t) ==
    /\ health[t] = "frozen"
    /\ health' = [health EXCEPT ![t] = "live"]
    /\ UNCHANGED <<lock, stage, mine, storage, prepared, net, log, counts>>

Die(t) ==
    /\ health[t] # "dead" /\ Others(t) /\ deaths < MaxDeaths
    /\ deaths' = deaths + 1
    /\ health' = [health EXCEPT ![t] = "dead"]
    /\ StepDown(t)
    /\ lock' = IF lock = t THEN 0 ELSE lock
    /\ UNCHANGED <<storage, net, log, written, freezes, hasty>>

-----------------------------------------------------------------------------
(* Work. Every tab writes; who believes that it leads sends and compacts. *)

Write(t) ==
    /\ Live(t) /\ written < MaxWrites
    /\ written' = written + 1
    /\ records' = records \union {written + 1}
    /\ UNCHANGED <<lock, health, stage, mine, term, snapshot, prepared, net, log, freezes, deaths, hasty>>

Send(t, id) ==
    /\ Leads(t)
    /\ [id |-> id, by |-> t] \notin net
    /\ net' = net \union {[id |-> id, by |-> t]}
    /\ UNCHANGED <<lock, health, stage, mine, storage, prepared, log, counts>>

(* "twice": the server doesn't look for duplicates of another connection. *)
Receive(m) ==
    /\ \/ m.id \notin InSeq(log)
       \/ Bug = "twice" /\ Len(log) < 2 * MaxWrites
    /\ log' = Append(log, m.id)
    /\ UNCHANGED <<lock, health, stage, mine, storage, prepared, net, counts>>

(* A snapshot is made of what is stored, to replace the records that the server has ("unsynced": all of them). *)
Prepare(t) ==
    LET covers == IF Bug = "unsynced" THEN records ELSE records \intersect InSeq(log)
    IN  /\ Leads(t) /\ prepared[t] = NoWork /\ covers # {}
        /\ prepared' = [prepared EXCEPT ![t] =
            [base |-> snapshot.version, holds |-> snapshot.holds \union covers, covers |-> covers]]
        /\ UNCHANGED <<lock, health, stage, mine, storage, net, log, counts>>

(* It is written only where the stored snapshot is still the one that it was made from ("blind": it is written anyway). *)
Compact(t) ==
    LET fits == prepared[t].base = snapshot.version \/ Bug = "blind"
    IN  /\ Leads(t) /\ prepared[t] # NoWork
        /\ prepared' = [prepared EXCEPT ![t] = NoWork]
        /\ snapshot' = IF fits THEN [version |-> snapshot.version + 1, holds |-> prepared[t].holds] ELSE snapshot
        /\ records' = IF fits THEN records \ prepared[t].covers ELSE records
        /\ UNCHANGED <<lock, health, stage, mine, term, net, log, counts>>

(* The end, and the only one: one tab leads with the lock and the highest term, and everything is at the server. Being stuck
   anywhere else is an error: a device that nobody speaks for. *)
Finished ==
    /\ written = MaxWrites /\ InSeq(log) = 1..written
    /\ \E t \in Tabs : Leads(t) /\ lock = t /\ mine[t] = term
    /\ UNCHANGED vars

Next ==
    \/ \E t \in Tabs :
        \/ Request(t) \/ Steal(t) \/ WriteTerm(t) \/ HearOfTheft(t) \/ SeeTerm(t)
        \/ Freeze(t) \/ Thaw(t) \/ Die(t)
        \/ Write(t) \/ Prepare(t) \/ Compact(t)
        \/ \E id \in records : Send(t, id)
    \/ \E m \in net : Receive(m)
    \/ Finished

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* A term names one leader, so what is written with a term can be told apart. *)
OneLeaderATerm ==
    \A t, o \in Tabs : t # o /\ stage[t] = "leading" /\ stage[o] = "leading" => mine[t] # mine[o]

EffectExactlyOnce == \A i, j \in 1..Len(log) : i # j => log[i] # log[j]

(* What the device's tabs show is all there, and what the server lacks can still be sent. *)
NothingPromisedLost ==
    /\ 1..written \subseteq snapshot.holds \union records
    /\ 1..written \subseteq records \union InSeq(log)

=============================================================================
