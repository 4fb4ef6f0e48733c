// On a narrow screen one pane shows at a time; these buttons choose which, and tell how the other one stands.

import { useSyncExternalStore } from 'react';
import { DeviceIcon } from './device-icon.tsx';
import type { Pane } from './open-pane.ts';
import { statusTone } from './status-sentence.ts';

interface PaneSwitcherProps {
  readonly panes: readonly Pane[];
  readonly shown: Pane['key'];
  readonly onShow: (key: Pane['key']) => void;
}

export function PaneSwitcher({ panes, shown, onShow }: PaneSwitcherProps) {
  return (
    <nav className="pane-switcher" aria-label="Devices">
      {panes.map((pane) => (
        <PaneButton key={pane.key} pane={pane} pressed={pane.key === shown} onPress={() => onShow(pane.key)} />
      ))}
    </nav>
  );
}

function PaneButton(props: { readonly pane: Pane; readonly pressed: boolean; readonly onPress: () => void }) {
  const { pane, pressed, onPress } = props;
  const { client } = pane;
  const status = useSyncExternalStore(
    (listener) => client.subscribeStatus(listener),
    () => client.status,
  );
  return (
    <button
      type="button"
      aria-pressed={pressed}
      data-pane={pane.key}
      data-testid={`show-pane-${pane.key}`}
      onClick={onPress}
    >
      <DeviceIcon device={pane.device} />
      {pane.title}
      <span className="dot" data-tone={statusTone(status)} aria-hidden="true" />
      <span className="visually-hidden">, {status.connection.state}</span>
    </button>
  );
}
