// What a TypeScript file imports, read by the compiler's own parser, and where a specifier leads. Type imports, re-exports,
// dynamic imports and `import('…')` types all count. It holds no rule (import-table.test.ts does).

import { posix } from 'node:path';
import ts from 'typescript';

export interface Import {
  /** As written: `./receipt.ts`, `joinery/core`, `react`. */
  readonly specifier: string;
  /** Counted from 1. */
  readonly line: number;
  /** `export * from`, which hides what is public. */
  readonly exportsAll: boolean;
}

export function readImports(path: string, text: string): Import[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, exportsAll = false): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
    imports.push({ specifier: specifier.text, line, exportsAll });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier);
    else if (ts.isExportDeclaration(node)) {
      const exportsAll = node.exportClause === undefined || ts.isNamespaceExport(node.exportClause);
      add(node, node.moduleSpecifier, exportsAll);
    } else if (ts.isImportTypeNode(node)) {
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined);
    } else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      add(node, node.moduleReference.expression);
    } else if (ts.isCallExpression(node) && isImportCall(node.expression)) {
      add(node, node.arguments[0]);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return imports;
}

/** Whether a file does nothing but pass on what others export. */
export function isBarrel(path: string, text: string): boolean {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return (
    file.statements.length > 0 &&
    file.statements.every((statement) => ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined)
  );
}

/** The path from the repository's root that a relative specifier names, or undefined when it is a package's name. */
export function resolveRelative(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.normalize(posix.join(posix.dirname(path), specifier.replace(/\?.*$/, '')));
}

function isImportCall(expression: ts.Expression): boolean {
  return (
    expression.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(expression) && expression.text === 'require')
  );
}
