// Which browser the specs run in: Chromium, unless JOINERY_ENGINE names another one (scripts/test.mjs does).

import { type EngineName, engineNames } from '../../scripts/find-engines.mjs';

const named = process.env.JOINERY_ENGINE;

export const engine: 'chromium' | EngineName = engineNames.find((name) => name === named) ?? 'chromium';
