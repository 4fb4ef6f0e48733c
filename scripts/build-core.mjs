// Builds core-rs/crates/wasm to sdk/src/core/pkg (cargo through wasm-pack and wasm-bindgen), core-rs/crates/lite to
// sdk/src/lite/pkg (cargo alone, as small as can be) and core-rs/crates/files to sdk/src/files/pkg (cargo alone, with vector
// instructions and without), all through wasm-opt. Installs what is missing of the tools. Nobody needs this who doesn't change
// Rust: the built modules are committed.
//
//   npm run build:core                        build what is older than its sources, and replace the committed modules
//   npm run build:core -- --check             build beside them, and fail when a committed one is stale
//   npm run build:core -- --toolchain debian  use Debian's rustc-web instead of rustup (or: rustup)

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  coreModule,
  coreSources,
  filesModule,
  findModuleStaleness,
  hashBuilt,
  hashSources,
  liteModule,
  packageFolder,
  readStamp,
} from './core-stamp.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { bin, capture, fail, root, run } from './run.mjs';

/** How wasm-opt optimises for speed. */
const forSpeed = ['-O3'];

/**
 * The same where every byte counts once it is compressed: functions stay apart and stand by their names, so that what is alike stands
 * close together, and no value is kept in a variable of its own to spare computing it again.
 */
const forSize = [
  '-Oz',
  '--one-caller-inline-max-function-size=60',
  '--skip-pass=local-cse',
  '--reorder-functions-by-name',
];

/** Features of the standard library when it is built too: smaller algorithms, or none for its usual ones. */
const standardLibraryFeatures = 'optimize_for_size';

/** What the module may use; every browser since 2022 has it. */
const wasmFeatures = [
  'bulk-memory',
  'bulk-memory-opt',
  'nontrapping-float-to-int',
  'sign-ext',
  'mutable-globals',
  'reference-types',
  'multivalue',
];

/** How much of linear memory is the stack. Nothing recurses on data; the linker's own choice is four times as much. */
const stackBytes = 256 * 1024;

const target = 'wasm32-unknown-unknown';
const debianPackages = ['rustc-web', 'cargo-web', 'rust-web-src', 'lld-22'];

/** @typedef {import('./core-stamp.mjs').BuiltModule} BuiltModule */

/**
 * @typedef {object} Toolchain
 * @property {string} name for messages
 * @property {NodeJS.ProcessEnv} env the environment in which `cargo` and `rustc` are this toolchain's
 * @property {boolean} buildsStandardLibrary whether the standard library's source is there, so that it is built too
 */

const { values: options } = parseArgs({
  options: { check: { type: 'boolean', default: false }, toolchain: { type: 'string' } },
});

ensureDependencies();
const crate = join(coreSources, 'crates', 'wasm');
if (!existsSync(crate)) fail(`Expected the crate ${crate}, found none.`);
const toolchain = findToolchain(options.toolchain);
ensureTools(toolchain);
console.log(
  `Building the core with ${toolchain.name}${toolchain.buildsStandardLibrary ? ', standard library included' : ''} …`,
);
const targetFolder = join(coreSources, 'target', 'wasm');
for (const [module, build] of /** @type {const} */ ([
  [coreModule, buildCore],
  [liteModule, buildLite],
  [filesModule, buildFiles],
])) {
  if (!options.check && findModuleStaleness(module) === undefined) {
    console.log(`The ${module.name} is up to date.`);
    continue;
  }
  mkdirSync(targetFolder, { recursive: true });
  const folder = mkdtempSync(join(targetFolder, 'pkg-'));
  if (!build(folder)) {
    rmSync(folder, { recursive: true, force: true });
    fail(`The ${module.name} could not be built; the compiler says why above.`);
  }
  const stamp = {
    sources: hashSources(module),
    built: hashBuilt(module, folder),
    rustc: capture('rustc', ['--version'], { cwd: coreSources, env: toolchain.env }) ?? 'unknown',
  };
  writeFileSync(join(folder, 'stamp.json'), `${JSON.stringify(stamp, null, 2)}\n`);
  if (options.check) compare(module, folder);
  else install(module, folder);
}

/** Compiles, binds and optimises into a folder. @param {string} folder */
function buildCore(folder) {
  const settings = buildSettings(toolchain, [`-Clink-arg=-zstack-size=${stackBytes}`]);
  const args = ['build', crate, '--mode', 'no-install', '--target', 'web', '--release', '--no-pack', '--no-opt'];
  const status = run('wasm-pack', [...args, '--out-dir', folder, '--out-name', 'joinery_core'], {
    env: { ...toolchain.env, ...settings, CARGO_TARGET_DIR: targetFolder },
  });
  if (status !== 0) return false;
  optimise(join(folder, 'joinery_core_bg.wasm'), forSpeed);
  return true;
}

/** Compiles and optimises into a folder. There is nothing to bind: only numbers cross. @param {string} folder */
function buildLite(folder) {
  const settings = buildSettings(toolchain, [`-Clink-arg=-zstack-size=${stackBytes}`]);
  // A folder and a profile of its own: the same crates are compiled otherwise here, and have other features.
  const folderOfFlags = `${targetFolder}-lite`;
  const args = ['build', '--release', '--locked', '--lib', '--package', 'joinery-lite', '--target', target];
  const status = run('cargo', args, {
    cwd: coreSources,
    env: { ...toolchain.env, ...settings, CARGO_PROFILE_RELEASE_OPT_LEVEL: 'z', CARGO_TARGET_DIR: folderOfFlags },
  });
  if (status !== 0) return false;
  const wasm = join(folder, 'joinery_lite.wasm');
  // Not copied, for the compiler's file can be executed, and a committed one should not.
  writeFileSync(wasm, readFileSync(join(folderOfFlags, target, 'release', 'joinery_lite.wasm')));
  optimise(wasm, forSize);
  return true;
}

/** Compiles and optimises both variants into a folder. There is nothing to bind: only numbers cross. @param {string} folder */
function buildFiles(folder) {
  for (const simd of [false, true]) {
    const args = [
      'build',
      '--release',
      '--locked',
      '--lib',
      '--target',
      target,
      ...(simd ? ['--features', 'simd'] : []),
    ];
    const settings = buildSettings(toolchain, simd ? ['-Ctarget-feature=+simd128'] : []);
    // A folder for each set of flags: in one folder the standard library would be built anew for each.
    const folderOfFlags = simd ? `${targetFolder}-simd` : targetFolder;
    const status = run('cargo', args, {
      cwd: filesModule.sources,
      env: { ...toolchain.env, ...settings, CARGO_TARGET_DIR: folderOfFlags },
    });
    if (status !== 0) return false;
    const wasm = join(folder, simd ? 'joinery_files_simd.wasm' : 'joinery_files.wasm');
    // Not copied, for the compiler's file can be executed, and a committed one should not.
    writeFileSync(wasm, readFileSync(join(folderOfFlags, target, 'release', 'joinery_files.wasm')));
    // Without the flag it refuses what the fallback must not have.
    optimise(wasm, forSpeed, simd ? ['--enable-simd'] : []);
  }
  return true;
}

/**
 * Settings that belong to this build alone. Native builds of the workspace don't have them.
 * @param {Toolchain} toolchain
 * @param {readonly string[]} [more] flags of rustc
 * @returns {NodeJS.ProcessEnv}
 */
function buildSettings(toolchain, more = []) {
  // No path of this machine in the module, so that two machines build the same bytes.
  const cargoHome = toolchain.env.CARGO_HOME ?? join(homedir(), '.cargo');
  const flags = [...more, `--remap-path-prefix=${coreSources}=core-rs`, `--remap-path-prefix=${cargoHome}=cargo`];
  if (!toolchain.buildsStandardLibrary) return { CARGO_ENCODED_RUSTFLAGS: flags.join('\x1f') };
  const sysroot = capture('rustc', ['--print', 'sysroot'], { cwd: coreSources, env: toolchain.env });
  flags.push(`--remap-path-prefix=${sysroot}=rust`, '-Zunstable-options', '-Cpanic=immediate-abort');
  return {
    // Building the standard library is an unstable switch of the stable compiler; this build alone uses it, because
    // a panic that aborts at once leaves the formatting machinery out of the module.
    RUSTC_BOOTSTRAP: '1',
    CARGO_UNSTABLE_BUILD_STD: 'std,panic_abort',
    CARGO_UNSTABLE_BUILD_STD_FEATURES: standardLibraryFeatures,
    CARGO_ENCODED_RUSTFLAGS: flags.join('\x1f'),
  };
}

/** @param {string} wasm @param {readonly string[]} how @param {readonly string[]} [more] flags of wasm-opt */
function optimise(wasm, how, more = []) {
  const features = [...wasmFeatures.map((feature) => `--enable-${feature}`), ...more];
  const args = [bin('binaryen', 'wasm-opt'), wasm, '-o', wasm, ...how, ...features];
  const status = run(process.execPath, [...args, '--strip-debug', '--strip-producers', '--converge']);
  if (status !== 0) fail(`wasm-opt failed on ${wasm}`);
}

/** Puts the build in the place of the committed module. @param {BuiltModule} module @param {string} folder */
function install(module, folder) {
  const committed = packageFolder(module);
  mkdirSync(committed, { recursive: true });
  for (const file of readdirSync(committed)) rmSync(join(committed, file), { recursive: true });
  for (const file of [...module.files, 'stamp.json']) cpSync(join(folder, file), join(committed, file));
  rmSync(folder, { recursive: true });
  console.log(`Built the ${module.name}: ${wasmSize(module, committed)} bytes of WebAssembly in ${module.path}`);
}

/** Fails when the committed module is not what was just built. @param {BuiltModule} module @param {string} folder */
function compare(module, folder) {
  const staleness = findModuleStaleness(module);
  const fresh = readStamp(folder);
  const committed = readStamp(packageFolder(module));
  const size = wasmSize(module, folder);
  rmSync(folder, { recursive: true });
  if (staleness !== undefined) fail(staleness);
  // Another compiler writes other bytes for the same source; the same one must write the same.
  if (fresh?.rustc === committed?.rustc && fresh?.built !== committed?.built) {
    fail(
      `The committed ${module.name} differs from what its sources build; run: npm run build:core, and commit ${module.path}`,
    );
  }
  const bytes =
    fresh?.rustc === committed?.rustc ? 'the same bytes' : `built by another compiler (${committed?.rustc})`;
  console.log(`The committed ${module.name} is up to date (${size} bytes of WebAssembly; ${bytes})`);
}

/** @param {BuiltModule} module @param {string} folder */
function wasmSize(module, folder) {
  const files = module.files.filter((file) => file.endsWith('.wasm'));
  return files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
}

/**
 * A toolchain that can build for WebAssembly: rustup's where it has or can get the target, else a plain one that has
 * it, else Debian's rustc-web with the standard library's source.
 * @param {string | undefined} only take this one or fail
 * @returns {Toolchain}
 */
function findToolchain(only) {
  if (only !== undefined && only !== 'rustup' && only !== 'debian') {
    fail(`--toolchain takes "rustup" or "debian", not "${only}".`);
  }
  const found =
    (only !== 'debian' && (rustupToolchain() ?? plainToolchain())) || (only !== 'rustup' && debianToolchain());
  if (found) return found;
  return fail(
    `No Rust toolchain here can build for ${target}.\n` +
      'Install rustup (https://rustup.rs) and run this again; it adds the target by itself.\n' +
      `On Debian, as root: apt-get update && apt-get install -y ${debianPackages.join(' ')}`,
  );
}

/** @returns {Toolchain | undefined} */
function rustupToolchain() {
  const env = { ...process.env, PATH: [join(homedir(), '.cargo', 'bin'), process.env.PATH].join(delimiter) };
  const inCore = { cwd: coreSources, env };
  // In the folder of the workspace, for it may name its own toolchain.
  const targets = capture('rustup', ['target', 'list', '--installed'], inCore);
  if (targets === undefined) return undefined;
  const bounded = { ...inCore, timeout: 120_000 };
  if (!targets.split(/\s+/).includes(target) && run('rustup', ['target', 'add', target], bounded) !== 0) {
    console.log(`rustup could not add ${target}; looking for another toolchain.`);
    return undefined;
  }
  const components = capture('rustup', ['component', 'list', '--installed'], inCore) ?? '';
  const buildsStandardLibrary =
    components.split(/\s+/).includes('rust-src') || run('rustup', ['component', 'add', 'rust-src'], bounded) === 0;
  return { name: 'rustup', env, buildsStandardLibrary };
}

/** @returns {Toolchain | undefined} */
function plainToolchain() {
  const folder = capture('rustc', ['--print', 'target-libdir', '--target', target]);
  const hasLibrary =
    folder !== undefined && existsSync(folder) && readdirSync(folder).some((file) => /^libstd/.test(file));
  return hasLibrary ? { name: 'rustc', env: process.env, buildsStandardLibrary: false } : undefined;
}

/** @returns {Toolchain | undefined} */
function debianToolchain() {
  if (process.platform !== 'linux') return undefined;
  const library = '/usr/lib/rustlib/src/rust/library/Cargo.toml';
  const isRoot = process.getuid?.() === 0;
  if (!existsSync(library) || !existsSync('/usr/bin/cargo')) {
    if (!isRoot || capture('apt-get', ['--version']) === undefined) return undefined;
    console.log(`Installing ${debianPackages.join(', ')} …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], { env, timeout: 300_000 });
    if (run('apt-get', ['install', '-y', '-qq', ...debianPackages], { env, timeout: 600_000 }) !== 0) return undefined;
  }
  // wasm-pack takes an existing folder for an installed target; the library itself is built from source.
  const targetFolder = `/usr/lib/rustlib/${target}/lib`;
  if (!existsSync(targetFolder)) {
    if (!isRoot) fail(`As root, once: mkdir -p ${targetFolder}`);
    mkdirSync(targetFolder, { recursive: true });
  }
  const env = {
    ...process.env,
    PATH: ['/usr/bin', process.env.PATH, join(homedir(), '.cargo', 'bin')].join(delimiter),
  };
  return { name: "Debian's rustc-web", env, buildsStandardLibrary: true };
}

/** Installs wasm-pack, and the wasm-bindgen that the workspace's lock file names. @param {Toolchain} toolchain */
function ensureTools(toolchain) {
  const lock = readFileSync(join(coreSources, 'Cargo.lock'), 'utf8');
  const version = /name = "wasm-bindgen"\r?\nversion = "([^"]+)"/.exec(lock)?.[1];
  if (version === undefined) fail('Expected wasm-bindgen in core-rs/Cargo.lock, found none.');
  // cargo installs to its own folder, which may not be on the PATH.
  const cargoBin = join(toolchain.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin');
  if (!(toolchain.env.PATH ?? '').split(delimiter).includes(cargoBin)) {
    toolchain.env.PATH = [toolchain.env.PATH, cargoBin].join(delimiter);
  }
  const has = (/** @type {string} */ tool) => capture(tool, ['--version'], { env: toolchain.env });
  const missing = [];
  if (has('wasm-pack') === undefined) missing.push(['wasm-pack']);
  // The command line tool and the crate must be of the very same version.
  if (has('wasm-bindgen') !== `wasm-bindgen ${version}`) missing.push(['wasm-bindgen-cli', '--version', version]);
  for (const args of missing) {
    console.log(`Installing ${args[0]} with cargo (some minutes, once) …`);
    // Without --locked: its lock file may name versions that a registry's mirror doesn't have yet.
    if (run('cargo', ['install', ...args], { cwd: root, env: toolchain.env }) !== 0) {
      fail(`cargo could not install ${args[0]}; run: cargo install ${args.join(' ')}`);
    }
  }
}
