################################################################################
#
# skerry
#
################################################################################

SKERRY_VERSION = 0.1.0
SKERRY_LICENSE = Apache-2.0
SKERRY_TARGET = $(call qstrip,$(BR2_PACKAGE_SKERRY_TARGET))
# This project, of which the tree is a part.
SKERRY_PROJECT = $(BR2_EXTERNAL_SKERRY_PATH)/../..

ifeq ($(BR2_PACKAGE_SKERRY_RELEASE),y)

SKERRY_SITE = $(call qstrip,$(BR2_PACKAGE_SKERRY_SITE))
SKERRY_SOURCE = skerry-$(SKERRY_VERSION)-$(SKERRY_TARGET)

define SKERRY_EXTRACT_CMDS
	$(INSTALL) -D -m 0755 $(SKERRY_DL_DIR)/$(SKERRY_SOURCE) $(@D)/skerry
endef

ifeq ($(BR2_PACKAGE_SKERRY)$(BR_BUILDING),yy)
ifeq ($(SKERRY_SITE),)
$(error BR2_PACKAGE_SKERRY_SITE is empty: where is $(SKERRY_SOURCE)?)
endif
endif

else

SKERRY_SITE = $(call qstrip,$(BR2_PACKAGE_SKERRY_FOLDER))
SKERRY_SITE_METHOD = local

define SKERRY_BUILD_CMDS
	cd $(@D) && sha256sum --check --quiet skerry.sha256
endef

endif

define SKERRY_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/skerry $(TARGET_DIR)/usr/bin/skerry
endef

define SKERRY_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(SKERRY_PROJECT)/systemd/skerry.service \
		$(TARGET_DIR)/usr/lib/systemd/system/skerry.service
endef

SKERRY_UPDATE_KEY = $(call qstrip,$(BR2_PACKAGE_SKERRY_UPDATE_KEY))
ifneq ($(SKERRY_UPDATE_KEY),)
define SKERRY_INSTALL_UPDATE_KEY
	$(INSTALL) -D -m 0644 $(SKERRY_UPDATE_KEY) \
		$(TARGET_DIR)/usr/lib/skerry/update.pub
endef
SKERRY_POST_INSTALL_TARGET_HOOKS += SKERRY_INSTALL_UPDATE_KEY
endif

# Fixed, because the data partition outlives the root, in which another
# image would give the next free number to somebody else.
define SKERRY_USERS
	skerry 900 skerry 900 * /var/lib/skerry - - Skerry server
endef

$(eval $(generic-package))
