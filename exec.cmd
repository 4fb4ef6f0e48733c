@rem On Windows `exec` in the start script of package.json lands here. Elsewhere it is the shell's own: the server then takes
@rem the shell's place, so that Ctrl-C reaches it and its exit status is that of `npm start`.
@%*
