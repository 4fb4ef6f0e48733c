// The SDK that the build puts into the page: any file of ../subjects, of which Joinery's stands for all. Types alone.

declare module 'subject' {
  type Joinery = typeof import('../subjects/joinery.mjs');
  type Fields = Omit<Awaited<ReturnType<Joinery['openFields']>>, 'stored'> & {
    /** Absent where the SDK promises nothing of what is stored. */
    readonly stored?: () => Promise<unknown>;
  };
  type Text = Omit<Awaited<ReturnType<Joinery['openText']>>, 'stored'> & Pick<Fields, 'stored'>;
  export const name: string;
  export const place: Joinery['place'];
  /** Its encoding hides texts of some length from a look into storage. */
  export const compresses: boolean | undefined;
  export const start: Joinery['start'];
  export function openFields(id: string, options: { fresh: boolean }): Promise<Fields>;
  export function openText(id: string): Promise<Text>;
  export const storeMany: Joinery['storeMany'];
  export const listIds: Joinery['listIds'];
  export const openMany: Joinery['openMany'];
  export const openShared: Joinery['openShared'];
  export const openLarge: Joinery['openLarge'];
}

declare module '*.wasm?url' {
  const url: string;
  export default url;
}
