/** The JSON API in OpenAPI 3.1, served at /api/openapi.json. A test drives the app by it. */
import { MAX_CONTENT_CHARACTERS, MAX_TITLE_CHARACTERS } from '../post-rules.ts';
import { DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE_CHARACTERS } from './api.ts';
import { type App, registrar, type Services } from './context.ts';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const json = (name: string) => ({ 'application/json': { schema: ref(name) } });
const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
});
const PROBLEMS = {
  badRequest: problem('The query or the JSON is malformed.'),
  forbidden: problem('Sent by a browser for a page of another site.'),
  notFound: problem('There is no such post.'),
  tooSlow: problem('The body did not arrive in time.'),
  tooLarge: problem('The body has more than 1 MiB.'),
  mediaType: problem('The body is not application/json.'),
  invalid: problem('A field is missing or too long; `errors` names it.'),
  internal: problem('Something went wrong that nobody foresaw; it has been logged.'),
  unavailable: {
    ...problem('The database does not answer at the moment.'),
    headers: { 'Retry-After': { schema: { type: 'integer' } } },
  },
  full: problem('The disk is full; nothing was stored.'),
};
/** Of every request to the database. */
const asking = { 500: PROBLEMS.internal, 503: PROBLEMS.unavailable };
/** Of every write. */
const changing = { 403: PROBLEMS.forbidden, 507: PROBLEMS.full, ...asking };
/** Of a write with a body. */
const writing = {
  400: PROBLEMS.badRequest,
  408: PROBLEMS.tooSlow,
  413: PROBLEMS.tooLarge,
  415: PROBLEMS.mediaType,
  422: PROBLEMS.invalid,
  ...changing,
};
const missing = { 404: PROBLEMS.notFound };
const id = {
  name: 'id',
  in: 'path',
  required: true,
  schema: { type: 'integer', minimum: 1 },
};

export const OPENAPI = {
  openapi: '3.1.0',
  info: { title: 'My Scratch Pad', version: '1.0.0', description: 'Notes: a title and a text.' },
  paths: {
    '/api/posts': {
      get: {
        operationId: 'listPosts',
        summary: 'Posts, newest first, paged by key',
        description: `A page of long posts ends early, once their contents have ${MAX_PAGE_CHARACTERS} characters; \`next\` goes on.`,
        parameters: [
          {
            name: 'after',
            in: 'query',
            description: 'Posts that follow this id in the list; `next` has it.',
            schema: { type: 'integer', minimum: 0 },
          },
          {
            name: 'limit',
            in: 'query',
            schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
          },
        ],
        responses: {
          200: { description: 'A page.', content: json('Page') },
          400: PROBLEMS.badRequest,
          ...asking,
        },
      },
      post: {
        operationId: 'createPost',
        summary: 'Create a post',
        requestBody: { required: true, content: json('NewPost') },
        responses: {
          201: {
            description: 'The post as stored.',
            headers: { Location: { schema: { type: 'string' } } },
            content: json('Post'),
          },
          ...writing,
        },
      },
    },
    '/api/posts/{id}': {
      parameters: [id],
      get: {
        operationId: 'readPost',
        summary: 'Read a post',
        responses: {
          200: { description: 'The post.', content: json('Post') },
          ...missing,
          ...asking,
        },
      },
      put: {
        operationId: 'replacePost',
        summary: 'Replace title and content',
        requestBody: { required: true, content: json('WholePost') },
        responses: {
          200: { description: 'The post as stored.', content: json('Post') },
          ...missing,
          ...writing,
        },
      },
      patch: {
        operationId: 'changePost',
        summary: 'Change the fields that are given',
        requestBody: { required: true, content: json('PostChange') },
        responses: {
          200: { description: 'The post as stored.', content: json('Post') },
          ...missing,
          ...writing,
        },
      },
      delete: {
        operationId: 'deletePost',
        summary: 'Delete a post',
        responses: { 204: { description: 'It is gone.' }, ...missing, ...changing },
      },
    },
    '/api/openapi.json': {
      get: {
        operationId: 'readDescription',
        summary: 'This document',
        responses: {
          200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: {} } } },
        },
      },
    },
  },
  components: {
    schemas: {
      Title: { type: 'string', minLength: 1, maxLength: MAX_TITLE_CHARACTERS },
      Content: { type: 'string', maxLength: MAX_CONTENT_CHARACTERS },
      Post: {
        type: 'object',
        required: ['id', 'created', 'title', 'content'],
        properties: {
          id: { type: 'integer' },
          created: { type: 'string', format: 'date-time' },
          title: ref('Title'),
          content: ref('Content'),
        },
      },
      Page: {
        type: 'object',
        required: ['posts', 'next'],
        properties: {
          posts: { type: 'array', items: ref('Post') },
          next: { type: ['string', 'null'], description: 'Address of the next page.' },
        },
      },
      NewPost: {
        type: 'object',
        required: ['title'],
        properties: { title: ref('Title'), content: ref('Content') },
      },
      WholePost: {
        type: 'object',
        required: ['title', 'content'],
        properties: { title: ref('Title'), content: ref('Content') },
      },
      PostChange: {
        type: 'object',
        properties: { title: ref('Title'), content: ref('Content') },
      },
      Problem: {
        type: 'object',
        description: 'RFC 9457.',
        required: ['type', 'title', 'status', 'requestId'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          status: { type: 'integer' },
          code: {
            type: 'string',
            description: 'Of a failure here: DATABASE_FULL, DATABASE_UNAVAILABLE, INTERNAL_ERROR.',
          },
          detail: { type: 'string' },
          errors: {
            type: 'array',
            items: {
              type: 'object',
              required: ['field', 'message'],
              properties: { field: { type: 'string' }, message: { type: 'string' } },
            },
          },
          requestId: { type: 'string' },
        },
      },
    },
  },
} as const;

export function addOpenApi(app: App, { respond, observe }: Services): void {
  registrar(app, observe)('get', '/api/openapi.json', (c) => respond.json(c, 200, OPENAPI));
}
