/** `npm run results`: a real, small bench is kept, and README's section is made from it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { readBench } from '../../cli/bench/folder.ts';
import { writeRecord } from '../../cli/record/store.ts';
import { commandTable, replaceSection } from '../../scripts/readme-sections.ts';
import { keepBench, newestKept, renderedReadme } from '../../scripts/results.ts';
import { root, sandbox } from '../cli/run-cli.ts';
import { BARE, DOCKER, generateBench, VM } from '../report/bench-generator.ts';

/** docs/results of the repository: what clones download. */
const MAX_KEPT_BYTES = 5 * 1024 * 1024;

let place: string;
before(() => {
  place = mkdtempSync(join(tmpdir(), 'scratchpad-results-'));
});
after(() => rmSync(place, { recursive: true, force: true }));

/** A repository with a README and a manifest, and nothing else. */
function repository(name: string): string {
  const folder = join(place, name);
  mkdirSync(folder);
  for (const file of ['README.md', 'oclif.manifest.json']) {
    copyFileSync(join(root, file), join(folder, file));
  }
  return folder;
}

function simulated(name: string, options: Parameters<typeof generateBench>[0]): string {
  const folder = join(place, name);
  const { bench, trials } = generateBench({ bare: true, durationMs: 3000, ...options });
  writeRecord(join(folder, 'bench.json'), bench);
  trials.forEach((trial, i) => {
    writeRecord(join(folder, bench.trials[i]!), trial);
  });
  return folder;
}

const sectionOf = (readme: string) =>
  /<!-- latest results[^>]*-->([\s\S]*?)<!-- end of latest results -->/.exec(readme)![1]!;

describe('a real bench', () => {
  it('is kept whole, compressed, with its report, and shown by the README', async (t) => {
    const { folder, run } = sandbox(t);
    const bench = join(folder, 'bench');
    const args = ['--quick', '--targets', 'bare', '--rounds', '1', '--duration', '1'];
    const { code, stderr } = await run(['bench', ...args, '--warmup', '0.5', '--out', bench]);
    assert.equal(code, 0, stderr);

    const repo = repository('real');
    const kept = await keepBench(repo, bench);
    assert.match(basename(kept), /^\d{4}-\d\d-\d\d-bare-quick$/);
    assert.deepEqual(readBench(kept), readBench(bench));
    for (const name of ['bench.json', ...readBench(bench).bench.trials]) {
      const packed = readFileSync(join(kept, `${name}.gz`));
      assert.ok(gunzipSync(packed).equals(readFileSync(join(bench, name))), name);
      assert.equal(packed.readUInt32LE(4), 0, 'no time of modification in it');
      assert.ok(!existsSync(join(kept, name)), `${name} is there twice`);
    }
    for (const file of ['report.html', 'report.md', 'figures.csv']) {
      assert.ok(statSync(join(kept, file)).size > 0, file);
    }
    const section = sectionOf(renderedReadme(repo));
    assert.match(section, /^\s*\*\*Its limits first:\*\*/);
    assert.match(section, /Quick bench: no inference/);
    assert.match(section, /^\| First valid reply \| bare \| [\d.,]+ ms \|$/m);
    assert.doesNotMatch(section, /summary\.svg/, 'one target has no ratios to draw');
    assert.match(section, new RegExp(`\\(docs/results/${basename(kept)}/report\\.md\\)`));
    // the same compressed bytes each time
    await assert.rejects(keepBench(repo, bench), /is there already/);
    const again = await keepBench(repo, bench, 'again');
    for (const name of readdirSync(kept).filter((each) => each.endsWith('.gz'))) {
      assert.ok(readFileSync(join(again, name)).equals(readFileSync(join(kept, name))), name);
    }
  });
});

describe('README’s latest results', () => {
  it('say first what limits them, from the records, then ratio, interval and verdict', async () => {
    const repo = repository('simulated');
    const bench = simulated('full', {
      rounds: 12,
      labels: { bare: BARE, docker: DOCKER, vm: VM, 'bare#2': BARE },
      voided: { 2: 'vm: steal 3 %' },
    });
    const kept = await keepBench(repo, bench);
    assert.match(readFileSync(join(kept, 'summary.svg'), 'utf8'), /prefers-color-scheme:dark/);
    const section = sectionOf(renderedReadme(repo));
    assert.match(section, new RegExp(`\\(docs/results/${basename(kept)}/summary\\.svg\\)`));
    const limits = section.slice(0, section.indexOf('| Metric'));
    assert.match(limits, /2 × AMD EPYC, 8 GiB, Debian 12, Linux 6\.1, cgroup v1, no KVM/);
    assert.match(limits, /vm: emulated \(no hardware acceleration\)/);
    assert.match(limits, /generator, target and the system share 2 CPUs/);
    assert.match(limits, /1 of the rounds were voided/);
    assert.match(
      section,
      /^\| First valid reply \| docker ÷ bare \| .* \| 3\.\d+× \| .* \| \*\*differs\*\* \|$/m,
    );
    assert.match(section, /^\| First valid reply \| vm \(emulated\) ÷ bare \|/m);
    assert.match(section, /Noise floor: two identical deployments/);
    assert.doesNotMatch(section, /vm \(emulated\) ÷ docker/);
  });

  it('are those of the bench that began last', async () => {
    const repo = repository('two');
    const older = simulated('older', { rounds: 6, startedAt: '2026-01-01T00:00:00.000Z', seed: 2 });
    const newer = simulated('newer', { rounds: 6, startedAt: '2026-02-01T00:00:00.000Z', seed: 3 });
    const kept = await keepBench(repo, newer, 'newer');
    await keepBench(repo, older, 'older');
    assert.equal(newestKept(repo), kept);
  });

  it('refuse a bench that is not finished, and keep nothing of it', async () => {
    const repo = repository('unfinished');
    const bench = simulated('interrupted', { rounds: 6, seed: 4 });
    const file = join(bench, 'bench.json');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('"interrupted": false', '"interrupted": true'),
    );
    await assert.rejects(keepBench(repo, bench), /not finished/);
    const lacking = simulated('lacking', { rounds: 6, seed: 5 });
    rmSync(join(lacking, readBench(lacking).bench.trials[3]!));
    await assert.rejects(keepBench(repo, lacking), /There is no record/);
    assert.equal(newestKept(repo), null);
  });

  it('are the command’s work: it prints what it made, and exits with 2 where it cannot', () => {
    const result = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'scripts/results.ts', join(place, 'nowhere')],
      { cwd: root, encoding: 'utf8' },
    );
    assert.equal(result.status, 2);
    assert.match(result.stderr, /There is no bench in/);
  });

  it('need their markers', () => {
    assert.throws(() => replaceSection('no markers', 'commands', ''), /README\.md needs one/);
  });
});

describe('the table of commands', () => {
  it('is in the order of the work, with arguments, and unknown commands at the end', () => {
    const table = commandTable({
      commands: {
        aaa: { summary: 'New.' },
        load: { summary: 'Load.', args: { target: { name: 'target' } } },
        deploy: { summary: 'A | B.', args: { target: { name: 'target', required: true } } },
      },
    });
    assert.deepEqual(table.split('\n').slice(2), [
      '| `scratchpad deploy <target>` | A \\| B. |',
      '| `scratchpad load [target]` | Load. |',
      '| `scratchpad aaa` | New. |',
    ]);
  });
});

describe('docs/results', () => {
  const kept = join(root, 'docs/results');
  const folders = existsSync(kept)
    ? readdirSync(kept).filter((name) => existsSync(join(kept, name, 'bench.json.gz')))
    : [];

  it('stays small', () => {
    const bytes = folders
      .flatMap((name) => readdirSync(join(kept, name)).map((file) => join(kept, name, file)))
      .reduce((sum, file) => sum + statSync(file).size, 0);
    assert.ok(bytes <= MAX_KEPT_BYTES, `${bytes} bytes`);
  });

  for (const name of folders) {
    it(`${name} is a bench that can be read, with its pictures and report`, () => {
      assert.ok(readBench(join(kept, name)).trials.length > 0);
      for (const file of ['report.html', 'report.md', 'figures.csv']) {
        assert.ok(existsSync(join(kept, name, file)), file);
      }
    });
  }
});
