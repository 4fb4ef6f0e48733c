// The interface of Standard Schema, version 1 (https://standardschema.dev), as far as it is used here: types and nothing else,
// so that any validator with it fits (zod, valibot, arktype and others) and none is a dependency.

/** A validator. `Input` is what is given to it, and what is stored. */
export interface StandardSchema<Input = unknown, Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    /** The validator's name. */
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>;
    /** Never there when it runs. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** With issues the value doesn't fit; without, there is a value, which is the output and not looked at here. */
export interface StandardResult {
  readonly issues?: readonly StandardIssue[] | undefined;
}

export interface StandardIssue {
  readonly message: string;
  /** Keys from the outside to where it is, or objects with these. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
