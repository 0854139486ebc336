"""What the hosts (Nuke, Blender, command line, farm) and the matting server share. Start reading here.

A host runs the frames of a shot with a ``MatteJob`` (:mod:`matte_link.job`) on a thread of its own, or talks to the
server itself with a ``MatteClient`` (:mod:`matte_link.client`). Both send the messages of
:mod:`matte_link.messages` in the wire format of :mod:`matte_link.wire` over one ZeroMQ socket: the host connects a
DEALER to the server's ROUTER.

Every message has an ``id``; replies carry the id of the request that they answer:

=======  ==============================================  =======================================================
request  asks the server to                              replies
=======  ==============================================  =======================================================
Matte    compute one frame                               Accepted, Progress (any number), then MatteReply or
                                                         Failure
Learn    learn a shot's own weights from some frames     Accepted, Progress, LearnProgress (one a step), then
                                                         LearnReply or Failure
Store    keep a picture under its digest; without data:  Stored or Failure
         say whether it has the picture
Cancel   stop a Matte or a Learn by its id               none: the Matte itself ends with Failure("cancelled"), a
                                                         Learn with the best so far
Ping     say its version and models                      Pong
Status   say what it is doing                            StatusReply
=======  ==============================================  =======================================================

A frame's way: the host sends Store(digest of the clean plate, no data). If the server lacks it, it answers
Failure("clean_plate_unknown"), and the host sends Store with the data, once for the whole shot. Then it sends
Matte with the plate's bytes and the clean plate's digest, receives Accepted and a Progress for each stage, and at
last the result, as the bytes of an EXR in MatteReply. The host writes the file.

The modules; each imports only those in its own row or above:

================================================  =================================================================
errors, sequence                                  one base of all errors; frame ranges and file patterns
exr_header, file_digest, diagnostics              an EXR's header; a file's digest; what a result says
option_spec, options, plain_text                  the table of controls, ``MatteOptions``; what a text may contain
message_id, picture_sources, part_messages        the ids of messages; where pictures are; those sent in parts
messages, roles, result_key                       what is sent; its files by role; what a result depends on
file_witness                                      which files were replaced under their old size and time
files, weights_files                              files written whole; weights files that requests take along
wire, endpoint                                    messages as bytes; the server's address and keys
part_size, part_upload, result_download           a large picture in parts, and a large result
link_speed                                        how large a picture is sent in one piece
offered_pictures                                  which pictures the server has, by digest
outstanding                                       which requests have no answer, and when each is sent again
traffic, connection, client                       the bytes that move; the socket; the waiting
job_thread                                        what every job of a host has: a thread, and events from it
tasks, local_files, job_events, job               a job: its tasks, the files it reads and writes, its events
learn_events, learn_job                           a job that has a shot learnt
ready_line                                        what a server prints when it is ready, for whoever started it
================================================  =================================================================

Standard library only, except :mod:`matte_link.connection`, which needs pyzmq. Python 3.9, which Nuke 14 runs: no
keyword-only dataclasses, no ``slots``, no ``match`` and no run-time ``X | Y``.
"""
