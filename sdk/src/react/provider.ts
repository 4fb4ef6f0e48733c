// Brings the client to the hooks below it.

import { createContext, createElement, type ReactNode, useContext } from 'react';
import type { Client } from '../client.ts';

const ClientContext = createContext<Client | undefined>(undefined);

export interface JoineryProviderProps {
  readonly client: Client;
  readonly children?: ReactNode;
}

/**
 * Gives the client to every hook below. It neither creates nor closes it.
 *
 * @example
 * const client = createClient({ url: 'wss://example.org/sync' });
 * createRoot(element).render(
 *   <JoineryProvider client={client}>
 *     <App />
 *   </JoineryProvider>,
 * );
 */
export function JoineryProvider({ client, children }: JoineryProviderProps): ReactNode {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** The client of the provider above. @throws Error when there is none */
export function useJoineryClient(): Client {
  const client = useContext(ClientContext);
  if (client === undefined) throw new Error('Expected a <JoineryProvider> above this component, found none. Add one.');
  return client;
}
