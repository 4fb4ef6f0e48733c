import { describe, expect, test } from 'vitest';
import { VirtualDevice, type VirtualTab } from '../testing/virtual-device.ts';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { beat_ms, Leadership } from './leadership.ts';

/** Tabs with nothing but a leadership, that tell each other their beats. */
class Group {
  readonly time = new VirtualEnvironment();
  readonly device = new VirtualDevice(this.time);
  readonly members: Member[] = [];
  stored = 0;
  storageWorks = true;

  add(): Member {
    const member = new Member(this, String.fromCharCode(97 + this.members.length));
    this.members.push(member);
    return member;
  }

  get leaders(): string[] {
    return this.members.filter(({ leads }) => leads).map(({ name }) => name);
  }
}

class Member {
  readonly name: string;
  readonly tab: VirtualTab;
  readonly leadership: Leadership;
  readonly terms: number[] = [];
  leads = false;

  constructor(group: Group, name: string) {
    this.name = name;
    const tab = group.device.tab();
    this.tab = tab;
    interface Beat {
      readonly leader: { readonly tab: string; readonly term: number };
      readonly claims: boolean;
    }
    const channel = tab.tabs.channel('beats', (data) => {
      const { leader, claims } = data as Beat;
      if (!this.leadership.heard(leader, claims) && this.leads) beat();
    });
    const beat = (claims = false): void =>
      channel.post({ leader: { tab: name, term: this.leadership.term }, claims } satisfies Beat);
    const terms = {
      raise: async (known: number) => {
        if (!group.storageWorks) return await new Promise<number>(() => {});
        group.stored = Math.max(group.stored, known) + 1;
        return group.stored;
      },
    };
    this.leadership = new Leadership(
      { environment: tab, locks: tab.tabs.locks, lock: 'leader', tab: name, terms },
      {
        claiming: () => beat(true),
        lead: (term) => {
          this.leads = true;
          this.terms.push(term);
          const again = (): void => {
            if (!this.leads) return;
            beat();
            tab.timer(again, beat_ms);
          };
          again();
        },
        follow: () => {
          this.leads = false;
        },
      },
    );
    this.leadership.start();
  }
}

describe('who leads', () => {
  test('is the first one, then the next in the queue as soon as it ends, with a higher term', async () => {
    const group = new Group();
    const [a, b, c] = [group.add(), group.add(), group.add()];
    await group.time.advance(10_000);
    expect(group.leaders).toEqual(['a']);
    a.tab.crash();
    a.leads = false;
    await group.time.advance(5);
    expect(group.leaders).toEqual(['b']);
    b.leadership.stop();
    b.leads = false;
    await group.time.advance(5);
    expect(group.leaders).toEqual(['c']);
    expect([a.terms, b.terms, c.terms]).toEqual([[1], [2], [3]]);
    expect(group.stored).toBe(3);
  });

  test('is another one within five seconds of its freezing; thawed, it follows', async () => {
    const group = new Group();
    const [a] = [group.add(), group.add(), group.add(), group.add(), group.add()];
    await group.time.advance(2_500);
    a.tab.freeze();
    await group.time.until(() => group.leaders.length === 2, 5_000);
    await group.time.advance(20_000);
    // Nobody steals from one that is there.
    expect(group.members.flatMap(({ terms }) => terms)).toEqual([1, 2]);
    a.tab.thaw();
    await group.time.advance(10);
    expect(group.leaders).toHaveLength(1);
    expect(a.leads).toBe(false);
    await group.time.advance(20_000);
    expect(group.members.flatMap(({ terms }) => terms)).toEqual([1, 2]);
  });

  test('is not changed by a follower that stood still itself', async () => {
    const group = new Group();
    const [, b] = [group.add(), group.add()];
    await group.time.advance(1_000);
    b.tab.freeze();
    await group.time.advance(60_000);
    b.tab.thaw();
    await group.time.advance(10_000);
    expect(group.leaders).toEqual(['a']);
    expect(group.stored).toBe(1);
  });

  test('is decided without storage when that hangs', async () => {
    const group = new Group();
    group.storageWorks = false;
    const [a] = [group.add(), group.add()];
    await group.time.until(() => group.leaders.length === 1, 1_000);
    a.tab.crash();
    a.leads = false;
    await group.time.until(() => group.leaders.length === 1, 1_000);
    expect(group.members[1]?.terms).toEqual([2]);
  });

  test('steps down for a message of a higher term, and is told of one when it is behind', async () => {
    const group = new Group();
    const [a, b] = [group.add(), group.add()];
    await group.time.advance(100);
    expect(a.leadership.heard({ tab: 'z', term: 7 }, false)).toBe(true);
    expect(a.leads).toBe(false);
    await group.time.advance(100);
    expect(group.leaders).toEqual(['b']);
    expect(b.terms).toEqual([2]);
    expect(b.leadership.heard({ tab: 'a', term: 1 }, false)).toBe(false);
    expect(b.leads).toBe(true);
  });

  test('is everybody where there are no locks, and beats change nothing', async () => {
    const group = new Group();
    const bare = new VirtualDevice(group.time, { locks: false }).tab();
    let leads = 0;
    const leadership = new Leadership(
      { environment: bare, locks: bare.tabs.locks, lock: 'leader', tab: 'a', terms: { raise: never } },
      {
        claiming: () => {},
        lead: () => {
          leads += 1;
        },
        follow: () => {
          leads -= 1;
        },
      },
    );
    leadership.start();
    expect([leads, leadership.leads, leadership.isElected]).toEqual([1, true, false]);
    expect(leadership.heard({ tab: 'b', term: 9 }, false)).toBe(false);
    expect(leads).toBe(1);
  });
});

function never(): Promise<never> {
  throw new Error('Expected no question for a term.');
}
