// The colour theme: what the system prefers, or what the user chose instead. The stylesheet reads `data-theme`.

import { Observable } from './observable.ts';

export type Theme = 'system' | 'light' | 'dark';

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const STORAGE_KEY = 'joinery-playground/theme';

export const theme = new Observable<Theme>(readTheme());

export function showTheme(): void {
  const chosen = theme.get();
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

export function nextTheme(current: Theme): Theme {
  return THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? 'system';
}

export function chooseTheme(next: Theme): void {
  localStorage.setItem(STORAGE_KEY, next);
  theme.set(next);
  showTheme();
}

function readTheme(): Theme {
  const stored = localStorage.getItem(STORAGE_KEY);
  return THEMES.find((candidate) => candidate === stored) ?? 'system';
}
