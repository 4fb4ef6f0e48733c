/** The text of src/gen/frame.generated.ts. */
export function generate(): string;
