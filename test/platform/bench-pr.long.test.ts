/** `npm run bench:pr`, on a commit that is slower on purpose and on one that is not. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root, sandbox } from '../cli/run-cli.ts';

const PAGES = 'workload/routes/pages.ts';
/** Short loads: what is tested is the verdict on a difference that no noise can hide. */
const SHORT = ['--gates-warn', '--duration=300ms', '--warmup=200ms', '--rate=50'];

/** A clone with one more commit, whose `edit` changes the pages. */
function cloneWith(folder: string, edit: (text: string) => string): string {
  const clone = join(folder, 'clone');
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: clone, stdio: 'pipe', encoding: 'utf8' });
  execFileSync('git', ['clone', '--quiet', '--no-hardlinks', root, clone], { stdio: 'pipe' });
  const file = join(clone, PAGES);
  const before = readFileSync(file, 'utf8');
  const after = edit(before);
  assert.notEqual(after, before, `${PAGES} has changed: mend this test`);
  writeFileSync(file, after);
  const name = ['-c', 'user.name=test', '-c', 'user.email=test@localhost'];
  git(...name, 'commit', '--quiet', '--all', '--message', 'change the pages');
  return clone;
}

const isCheckout = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root }).status === 0;

describe('bench:pr', { skip: isCheckout ? false : 'not a git checkout' }, () => {
  const benchPr = (
    clone: string,
    box: ReturnType<typeof sandbox>,
    args: string[],
  ): { code: number | null; stdout: string; stderr: string; out: string } => {
    const out = join(box.folder, 'out');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'scripts/bench-pr.ts', ...args, '--repository', clone, '--out', out],
      { cwd: root, env: box.env, encoding: 'utf8', timeout: 280_000 },
    );
    return { code: status, stdout, stderr, out };
  };
  const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('scratchpad-pr-'));

  it('ends with 5 and names the metric where the index page became slower', (t) => {
    const box = sandbox(t);
    const before = leftovers();
    const clone = cloneWith(box.folder, (text) =>
      text.replace(
        "on('get', '/', async (c) => {\n",
        "$&    let sum = 0;\n    for (let i = 0; i < 400_000; i++) sum = (sum * 31 + i) | 0;\n    if (sum === 1) throw new Error('never');\n",
      ),
    );
    const { code, stdout, stderr, out } = benchPr(clone, box, [
      'HEAD~1',
      'HEAD',
      ...SHORT,
      '--aa-pairs=1',
    ]);
    assert.equal(code, 5, stderr.slice(-2000));
    assert.match(stdout, /a regression/);
    // throughput is only a lower bound in a trial that lost its CPU to the hypervisor: CPU says it too
    assert.match(
      stdout,
      /failed: `(throughput<0\.9524|cpu>1\.0500)` \(bare@head ÷ bare@base = \d+\.\d+× \[/,
    );
    const verdict = JSON.parse(readFileSync(join(out, 'verdict.json'), 'utf8')) as {
      regressions: Array<{ expression: string }>;
    };
    assert.ok(verdict.regressions.some(({ expression }) => /^(throughput|cpu)/.test(expression)));
    const bench = JSON.parse(readFileSync(join(out, 'bare/ab/bench.json'), 'utf8')) as {
      schedule: string[][];
    };
    assert.equal(bench.schedule.length, 10);
    for (let round = 0; round < 10; round += 2) {
      assert.deepEqual(bench.schedule[round]!.toReversed(), bench.schedule[round + 1]);
    }
    assert.match(readFileSync(join(out, 'bare/report.html'), 'utf8'), /bare@head/);
    assert.deepEqual(leftovers(), before, 'worktrees and folders are gone');
    assert.doesNotMatch(
      execFileSync('git', ['-C', clone, 'worktree', 'list'], { encoding: 'utf8' }),
      /scratchpad-pr-/,
    );
  });

  it('ends with 0 where only a text changed, the noise floor printed first', (t) => {
    const box = sandbox(t);
    const clone = cloneWith(box.folder, (text) =>
      text.replace('There is no such post.', 'No such post.'),
    );
    const { code, stdout, stderr, out } = benchPr(clone, box, [
      'HEAD~1',
      'HEAD',
      ...SHORT,
      '--aa-pairs=6',
    ]);
    assert.equal(code, 0, `${stdout}\n${stderr.slice(-2000)}`);
    assert.match(stderr, /A\/A[\s\S]*noise floor, CPU per 1,000 requests[\s\S]*10 pairs, ABBA/);
    const comment = readFileSync(join(out, 'comment.md'), 'utf8');
    assert.match(comment, /no regression found/);
    assert.equal(comment.match(/^- (✅|❔)/gm)?.length, 5, 'each primary metric has its gate');
  });

  it('refuses what it cannot compare, before anything is built', (t) => {
    const box = sandbox(t);
    for (const [args, words] of [
      [['HEAD'], /name two commits/],
      [['HEAD', 'no-such-commit'], /no commit "no-such-commit"/],
      [['HEAD', 'HEAD', '--pairs=9'], /at least 10/],
      [['HEAD', 'HEAD', '--nonsense'], /nonsense/],
    ] as const) {
      const { code, stderr } = benchPr(root, box, [...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, words);
    }
  });
});
