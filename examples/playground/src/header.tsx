// The page's head: the mark, the room, a way to open another client, and the theme.

import { type ReactNode, useSyncExternalStore } from 'react';
import { Logo } from './logo.tsx';
import { onePaneHref, twoPanesHref } from './panes/location.ts';
import { chooseTheme, nextTheme, type Theme, theme } from './theme.ts';

export function Header({ room, paneCount }: { readonly room: string; readonly paneCount: number }) {
  return (
    <header className="page-head">
      <a className="brand" href="/">
        <Logo />
        <span className="brand-name">Joinery</span>
        <span className="brand-note">playground</span>
      </a>
      <p className="room">
        Room <b>{room}</b>
      </p>
      <nav className="page-actions" aria-label="Page">
        {paneCount > 1 ? (
          <a className="quiet-button" href={onePaneHref(room, 'cleo')} target="_blank" rel="noreferrer">
            Open a third client
          </a>
        ) : (
          <a className="quiet-button" href={twoPanesHref(room)}>
            Show two devices
          </a>
        )}
        <ThemeButton />
      </nav>
    </header>
  );
}

const NAMES: Record<Theme, string> = { system: 'as the system', light: 'light', dark: 'dark' };
const DRAWINGS: Record<Theme, ReactNode> = {
  system: (
    <>
      <circle cx="10" cy="10" r="6.5" />
      <path className="filled" d="M10 3.5a6.5 6.5 0 0 1 0 13z" />
    </>
  ),
  light: (
    <>
      <circle cx="10" cy="10" r="3.25" />
      <path d="M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M15.7 4.3l-1.1 1.1M5.4 14.6l-1.1 1.1" />
    </>
  ),
  dark: <path d="M15.8 12.2A6.5 6.5 0 0 1 7.8 4.2a6.5 6.5 0 1 0 8 8z" />,
};

function ThemeButton() {
  const current = useSyncExternalStore(theme.subscribe, theme.get);
  const label = `Theme: ${NAMES[current]}. Change to ${NAMES[nextTheme(current)]}`;
  return (
    <button
      type="button"
      className="icon-button"
      data-testid="theme-toggle"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(nextTheme(current))}
    >
      <svg className="drawing" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
        {DRAWINGS[current]}
      </svg>
    </button>
  );
}
