/* Compile-time limits of the pjsua2 that `make setup` builds. A change here is a new wheel. */

/* A lab carries both legs of 999 calls and some of every test's own. An engine that asks for
 * fewer (`uaConfig.maxCalls`) allocates fewer: pjsua takes its call table at start. */
#define PJSUA_MAX_CALLS 4096
#define PJSUA_MAX_ACC 1024
#define PJSUA_MAX_BUDDIES 1024
#define PJSUA_MAX_PLAYERS 1024

/* One port a call, one a player, and room for recorders and tones. */
#define PJSUA_MAX_CONF_PORTS (PJSUA_MAX_CALLS + PJSUA_MAX_PLAYERS + 256)

/* RTP and RTCP of every call, SIP sockets, and some to spare. */
#define PJ_IOQUEUE_MAX_HANDLES (2 * PJSUA_MAX_CALLS + 1024)
/* pjsip would take one key a handle for its own queue, where every call shares a few sockets. */
#define PJSIP_MAX_TRANSPORTS 1024
#define PJSIP_TPMGR_HTABLE_SIZE 1023

/* Both are hash table sizes: 2^n - 1. A transaction outlives its call by PJSIP_TD_TIMEOUT. */
#define PJSIP_MAX_TSX_COUNT 32767
#define PJSIP_MAX_DIALOG_COUNT 8191

/* RFC 3261 takes 64 * T1 = 32 s to call a silent PBX silent; a dialer must know while the agents
 * still wait. T1 500 ms and T2 4 s stay: a request is sent again after 0.5, 1.5 and 3.5 s. */
#define PJSIP_TD_TIMEOUT 6000

/* Bursts of 200 calls a second must not overflow the one UDP socket. */
#define PJSIP_UDP_SO_RCVBUF_SIZE 4000000
#define PJSIP_UDP_SO_SNDBUF_SIZE 4000000

/* Answer the registrar's challenge once, then send credentials with every INVITE unasked. Not with
 * PJSIP_AUTH_HEADER_CACHING: that makes each request's header in the memory of whoever shares the
 * authentication, which for us is the account: 1,700 bytes a call that never come back. */
#define PJSIP_AUTH_AUTO_SEND_NEXT 1

#define PJMEDIA_HAS_VIDEO 0

/* A PBX that was restarted forgets its subscriptions without a word: only a refresh that it
 * answers 481 tells, and upstream's 600 s would leave an agent's state wrong for that long. */
#define PJSIP_PRES_DEFAULT_EXPIRES 60
#define PJSIP_DLG_EVENT_DEFAULT_EXPIRES 60
