export { LbtwinError } from '../errors.ts';
