------------------------------ MODULE Session ------------------------------
(***************************************************************************)
(* How far a write has come: `local`, then `durable` (in the device's      *)
(* storage), then `synced` (in the server's log), between one writer, one  *)
(* server and one reader (design sections 4 and 6). Client and server      *)
(* crash between any two steps; a server is restored from a backup.        *)
(*                                                                         *)
(* It is not about refusal (Refusal.tla) or tabs (Leader.tla), and it says *)
(* nothing of credit, back-off and time. Messages are kept for ever and    *)
(* come when they will: never, late, twice, in any order. One order alone  *)
(* is the link's to keep, by the numbers of its frames: an acknowledgement *)
(* isn't taken without what the server had said before it of its backups.  *)
(* The epoch that a message says is that of its channel: frames say a      *)
(* number for it, which the link never gives to another one.               *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    MaxWrites,    \* How many writes the app makes.
    MaxLives,     \* How often the client starts, with a new agent each time.
    MaxCrashes,   \* How often the server crashes.
    MaxRestores,  \* How often the server comes back from a backup.
    MaxQueue,     \* How many envelopes the server takes before it commits.
    Bug           \* "none", or the planted error.

VARIABLES
    life,        \* the client's lifetime; also its agent
    written,     \* how many writes the app has made: the newest write's id
    seq,          \* the agent's newest seq
    memory,      \* envelopes that aren't durable yet, oldest first
    disk,        \* envelopes in the device's storage
    acked,       \* write -> the position it was acknowledged at, in the epoch that the client is in; 0: not
    clientEpoch, \* the epoch that the client is in
    heard,       \* what the client knows of the server's backups: [backups, safe]
    promised,    \* what the app was told: [durable, synced], sets of writes
    net,         \* envelopes on their way to the server
    acks,        \* acknowledgements on their way to the client
    queue,       \* what the server has taken and not committed
    log,         \* what it has committed
    epoch,       \* the server's epoch
    backups,     \* how many backups were made; without any, whatever is committed counts as safe
    backup,      \* how much of the log the last one holds
    crashes,     \* how often the server has crashed
    news,        \* log entries on their way to the reader
    reader,      \* the reader: [epoch, applied]
    ever         \* every write that was ever: [durable, committed]

client == <<life, written, seq, memory, disk, acked, clientEpoch, heard, promised>>
server == <<queue, log, epoch, backups, backup, crashes>>
vars == <<client, server, net, acks, news, reader, ever>>

Writes == 1..MaxWrites
InSeq(s) == {s[i] : i \in 1..Len(s)}
Ids(envelopes) == {e.id : e \in envelopes}
NoAcks == [w \in Writes |-> 0]

Init ==
    /\ life = 1 /\ written = 0 /\ seq = 0 /\ memory = <<>> /\ disk = {} /\ acked = NoAcks /\ clientEpoch = 0
    /\ heard = [backups |-> 0, safe |-> 0]
    /\ promised = [durable |-> {}, synced |-> {}]
    /\ net = {} /\ acks = {}
    /\ queue = <<>> /\ log = <<>> /\ epoch = 0 /\ backups = 0 /\ backup = 0 /\ crashes = 0
    /\ news = {} /\ reader = [epoch |-> 0, applied |-> <<>>]
    /\ ever = [durable |-> {}, committed |-> {}]

-----------------------------------------------------------------------------
(* The client. *)

(* "agent": a client that starts again goes on with its old agent, behind what it finds in storage. *)
Agent == IF Bug = "agent" THEN 1 ELSE life

Write ==
    /\ written < MaxWrites
    /\ LET id == written + 1
       IN
        /\ written' = id
        /\ seq' = seq + 1
        /\ memory' = Append(memory, [agent |-> Agent, seq |-> seq + 1, id |-> id])
        \* "early-durable": the receipt is given when the record is handed to storage.
        /\ promised' = IF Bug = "early-durable"
                       THEN [promised EXCEPT !.durable = @ \union {id}] ELSE promised
        /\ UNCHANGED <<life, disk, acked, clientEpoch, heard, server, net, acks, news, reader, ever>>

Flush ==
    /\ memory # <<>>
    /\ LET e == Head(memory)
       IN
        /\ memory' = Tail(memory)
        /\ disk' = disk \union {e}
        /\ promised' = [promised EXCEPT !.durable = @ \union {e.id}]
        /\ ever' = [ever EXCEPT !.durable = @ \union {e.id}]
        /\ UNCHANGED <<life, written, seq, acked, clientEpoch, heard, server, net, acks, news, reader>>

(* Sent is what is stored. "agent" needs a client that also sends what isn't. *)
Sendable == IF Bug = "agent" THEN disk \union InSeq(memory) ELSE disk

Send(e) ==
    /\ acked[e.id] = 0
    /\ LET m == [envelope |-> e, epoch |-> clientEpoch]
       IN
        /\ m \notin net
        /\ net' = net \union {m}
        /\ UNCHANGED <<client, server, acks, news, reader, ever>>

(* What the server's backup holds, as it says it when it changes and when a client subscribes. *)
Told == [backups |-> backups, safe |-> backup]

Hear ==
    /\ clientEpoch = epoch
    /\ heard # Told
    /\ heard' = Told
    /\ UNCHANGED <<life, written, seq, memory, disk, acked, clientEpoch, promised, server, net, acks, news, reader, ever>>

(* An acknowledgement names a dot and its position, and comes behind what was told before it, over whichever link. "stale-ack":
   one from another epoch counts too. "overtaking": what was told before it is lost, and nobody knows. *)
TakeAck(a) ==
    /\ \/ a.epoch = clientEpoch
       \/ Bug = "stale-ack"
    /\ a.told.backups >= heard.backups
    /\ heard' = IF Bug = "overtaking" THEN heard ELSE a.told
    /\ \E e \in Sendable :
        /\ e.agent = a.agent /\ e.seq = a.seq /\ acked[e.id] = 0
        /\ acked' = [acked EXCEPT ![e.id] = a.position]
        /\ promised' = [promised EXCEPT !.synced = @ \union {e.id}]
    /\ UNCHANGED <<life, written, seq, memory, disk, clientEpoch, server, net, acks, news, reader, ever>>

Safe(position) == heard.backups = 0 \/ position <= heard.safe

(* Compaction drops an own envelope when it counts as safe ("unsafe": when it is acknowledged; "unacked": at any time).
   Its content is then in the snapshot; what counts here is whether its author could still bring it back. *)
Compact(e) ==
    /\ \/ acked[e.id] # 0 /\ (Safe(acked[e.id]) \/ Bug = "unsafe")
       \/ Bug = "unacked"
    /\ clientEpoch = epoch
    /\ disk' = disk \ {e}
    /\ UNCHANGED <<life, written, seq, memory, acked, clientEpoch, heard, promised, server, net, acks, news, reader, ever>>

ClientCrash ==
    /\ life < MaxLives
    /\ life' = life + 1
    /\ memory' = <<>>
    /\ acked' = NoAcks
    /\ seq' = (IF Bug = "agent" THEN Cardinality(disk) ELSE 0)
    /\ UNCHANGED <<written, disk, clientEpoch, heard, promised, server, net, acks, news, reader, ever>>

(* The answer `epoch-changed`: nothing counts as acknowledged, and all that is held is sent again. *)
EnterEpoch ==
    /\ clientEpoch < epoch
    /\ clientEpoch' = epoch
    /\ heard' = Told
    /\ acked' = IF Bug = "stale-ack" THEN acked ELSE NoAcks
    /\ UNCHANGED <<life, written, seq, memory, disk, promised, server, net, acks, news, reader, ever>>

-----------------------------------------------------------------------------
(* The server. *)

Accepted == log \o queue
Last(agent) == Cardinality({i \in 1..Len(Accepted) : Accepted[i].agent = agent})
Ack(e, position) == [agent |-> e.agent, seq |-> e.seq, position |-> position, epoch |-> epoch, told |-> Told]

(* "early-ack" acknowledges before the commit, "early-news" fans out before it. *)
Take(e) ==
    LET position == Len(Accepted) + 1
    IN  /\ Len(queue) < MaxQueue
        /\ queue' = Append(queue, e)
        /\ acks' = (IF Bug = "early-ack" THEN acks \union {Ack(e, position)} ELSE acks)
        /\ news' = (IF Bug = "early-news"
                     THEN news \union {[envelope |-> e, position |-> position, epoch |-> epoch]} ELSE news)

AckAgain(again) ==
    /\ ~(again \subseteq acks)
    /\ acks' = acks \union again
    /\ UNCHANGED <<queue, news>>

(* Duplicates are looked for before anything else; a duplicate that is committed is acknowledged again. "twice" doesn't look,
   "gap" takes an envelope before its predecessor. *)
Receive(m) ==
    /\ m.epoch = epoch
    /\ LET e == m.envelope
           new == e.seq = Last(e.agent) + 1 \/ Bug = "twice" \/ (Bug = "gap" /\ e.seq > Last(e.agent))
           old == {i \in 1..Len(log) : log[i].agent = e.agent /\ log[i].seq = e.seq}
           again == {Ack(e, i) : i \in old}
       IN  IF new THEN Take(e) ELSE AckAgain(again)
    /\ UNCHANGED <<client, net, log, epoch, backups, backup, crashes, reader, ever>>

Commit ==
    /\ queue # <<>>
    /\ LET at(i) == Len(log) + i
       IN
        /\ log' = Accepted
        /\ queue' = <<>>
        /\ acks' = acks \union {Ack(queue[i], at(i)) : i \in 1..Len(queue)}
        /\ news' = news \union {[envelope |-> queue[i], position |-> at(i), epoch |-> epoch] : i \in 1..Len(queue)}
        /\ ever' = [ever EXCEPT !.committed = @ \union Ids(InSeq(queue))]
        /\ UNCHANGED <<client, net, epoch, backups, backup, crashes, reader>>

ServerCrash ==
    /\ crashes < MaxCrashes
    /\ queue # <<>>
    /\ crashes' = crashes + 1
    /\ queue' = <<>>
    /\ UNCHANGED <<client, net, acks, log, epoch, backups, backup, news, reader, ever>>

Backup ==
    /\ backup < Len(log) \/ backups = 0
    /\ epoch < MaxRestores
    /\ backups' = backups + 1
    /\ backup' = Len(log)
    /\ UNCHANGED <<client, net, acks, queue, log, epoch, crashes, news, reader, ever>>

Restore ==
    /\ epoch < MaxRestores
    /\ backups > 0
    /\ backup < Len(log)
    /\ epoch' = epoch + 1
    /\ queue' = <<>>
    /\ log' = SubSeq(log, 1, backup)
    /\ UNCHANGED <<client, net, acks, backups, backup, crashes, news, reader, ever>>

-----------------------------------------------------------------------------
(* The reader takes positions as they follow each other, and starts anew from a state in another epoch. *)

Read(n) ==
    /\ n.epoch = reader.epoch
    /\ n.position = Len(reader.applied) + 1
    /\ reader' = [reader EXCEPT !.applied = Append(@, n.envelope)]
    /\ UNCHANGED <<client, server, net, acks, news, ever>>

Reload ==
    /\ reader.epoch < epoch
    /\ reader' = [epoch |-> epoch, applied |-> log]
    /\ UNCHANGED <<client, server, net, acks, news, ever>>

(* The end, and the only one. Being stuck anywhere else is an error. *)
Finished ==
    /\ written = MaxWrites /\ memory = <<>> /\ queue = <<>>
    /\ Ids(disk) \subseteq Ids(InSeq(log))
    /\ \A e \in disk : acked[e.id] # 0
    /\ reader.applied = log
    /\ UNCHANGED vars

Next ==
    \/ Write \/ Flush \/ ClientCrash \/ EnterEpoch
    \/ \E e \in Sendable : Send(e)
    \/ \E e \in disk : Compact(e)
    \/ Hear
    \/ \E a \in acks : TakeAck(a)
    \/ \E m \in net : Receive(m)
    \/ Commit \/ ServerCrash \/ Backup \/ Restore
    \/ \E n \in news : Read(n)
    \/ Reload
    \/ Finished

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
ReceiptsNeverEarly == promised.durable \subseteq ever.durable /\ promised.synced \subseteq ever.committed

(* In the log, or in the hands of its author, who brings it back. *)
NothingPromisedLost == promised.durable \union promised.synced \subseteq Ids(InSeq(log)) \union Ids(disk)

Once(s) == \A i, j \in 1..Len(s) : i # j => s[i].id # s[j].id
EffectExactlyOnce == Once(Accepted) /\ Once(reader.applied)

CauseBeforeEffect ==
    \A i \in 1..Len(log) : log[i].seq > 1 =>
        \E j \in 1..(i - 1) : log[j].agent = log[i].agent /\ log[j].seq = log[i].seq - 1

(* At one position of one epoch everybody has seen the same. *)
SameVersionSameState ==
    reader.epoch = epoch =>
        /\ Len(reader.applied) <= Len(log)
        /\ \A i \in 1..Len(reader.applied) : reader.applied[i] = log[i]

BoundsHold == Len(queue) <= MaxQueue
=============================================================================
